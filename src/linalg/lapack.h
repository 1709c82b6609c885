/* lapack.h: the decompositions that gemmlp needs. */
#ifndef GM_LAPACK_H
#define GM_LAPACK_H

#include "core/error.h"

/* Replaces a (rows x columns, row-major, rows <= columns) by a matrix with orthonormal rows: the Q
 * of a QR decomposition of its transpose, signs chosen so that R has a positive diagonal. Of a
 * matrix of independent normal numbers that is uniformly distributed (Mezzadri, "How to generate
 * random matrices from the classical compact groups", Notices of the AMS 54, 2007). */
gemmlp_status gm_lapack_orthonormal_rows(size_t rows, size_t columns, double *a,
                                         gemmlp_error *error);

#endif

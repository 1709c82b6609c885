/* fake_blas.c: tiny CBLAS libraries to load at run time: plain loops, and what can be wrong with a
 * library. Built several times, each with one of
 *
 *   FAKE_GOOD    right products, and no symbol by which it could be recognised
 *   FAKE_WRONG   the middle element of C is off by 10 %
 *   FAKE_NAN     the middle element of C is NaN
 *   FAKE_TIRED   products after the twelfth write nothing
 *   FAKE_CRASH   a product aborts the process
 *   FAKE_EXIT    the process aborts when it ends
 *   FAKE_HANG    a product never returns
 *   FAKE_EMPTY   no CBLAS at all
 *   FAKE_LOUD    writes to standard output when it is loaded
 *   FAKE_SCIPY   as in NumPy's wheels: OpenBLAS with scipy_ before its names, 64_ after them,
 *                64-bit integers and threads of its own
 *   FAKE_ILP64   OpenBLAS with 64-bit integers that its names do not tell, and one thread
 *   FAKE_BLIS    BLIS, whose thread count has 64 bits
 *   FAKE_MKL     MKL, whose layers must be chosen before the first product
 *
 * The thread count starts as 7; fake_thread_sets is how often it was set. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef FAKE_SCIPY
#define NAME(name) scipy_##name##64_
#else
#define NAME(name) name
#endif

#if defined(FAKE_SCIPY) || defined(FAKE_ILP64)
typedef int64_t integer;
#else
typedef int integer;
#endif

int fake_thread_sets(void);
static int sets;

int fake_thread_sets(void)
{
    return sets;
}

#ifdef FAKE_MKL
int fake_layers_chosen(void);
#endif

#ifndef FAKE_EMPTY

enum { ROW_MAJOR = 101, TRANSPOSE = 112 };

/* Before a product: what it may depend on, or do instead. False: the product does nothing. */
static int begin(int layout)
{
    if (layout != ROW_MAJOR) {
        abort();
    }
#ifdef FAKE_CRASH
    abort();
#endif
#ifdef FAKE_HANG
    for (;;) {
        pause();
    }
#endif
#ifdef FAKE_MKL
    if (!fake_layers_chosen()) {
        abort();
    }
#endif
#ifdef FAKE_TIRED
    static int products;
    return products++ < 12;
#else
    return 1;
#endif
}

#ifdef FAKE_EXIT
__attribute__((destructor)) static void end(void)
{
    abort();
}
#endif

#ifdef FAKE_LOUD
__attribute__((constructor)) static void shout(void)
{
    puts("here I am");
    fflush(stdout);
}
#endif

/* What a middle element becomes. */
static double spoil(double value)
{
#if defined(FAKE_WRONG)
    return 1.1 * value;
#elif defined(FAKE_NAN)
    return value * NAN;
#else
    return value;
#endif
}

#define PRODUCT(name, real)                                                                        \
    void NAME(name)(int layout, int op_a, int op_b, integer m, integer n, integer k, real alpha,   \
                    const real *a, integer lda, const real *b, integer ldb, real beta, real *c,    \
                    integer ldc);                                                                  \
    void NAME(name)(int layout, int op_a, int op_b, integer m, integer n, integer k, real alpha,   \
                    const real *a, integer lda, const real *b, integer ldb, real beta, real *c,    \
                    integer ldc)                                                                   \
    {                                                                                              \
        if (!begin(layout)) {                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (integer i = 0; i < m; i++) {                                                          \
            for (integer j = 0; j < n; j++) {                                                      \
                double sum = 0;                                                                    \
                for (integer l = 0; l < k; l++) {                                                  \
                    sum += (double)a[op_a == TRANSPOSE ? l * lda + i : i * lda + l] *              \
                           (double)b[op_b == TRANSPOSE ? j * ldb + l : l * ldb + j];               \
                }                                                                                  \
                sum *= (double)alpha;                                                              \
                sum += beta != 0 ? (double)beta * (double)c[i * ldc + j] : 0;                      \
                c[i * ldc + j] = (real)(i == m / 2 && j == n / 2 ? spoil(sum) : sum);              \
            }                                                                                      \
        }                                                                                          \
    }

PRODUCT(cblas_sgemm, float)
PRODUCT(cblas_dgemm, double)
#endif

#if defined(FAKE_SCIPY) || defined(FAKE_ILP64)
static int threads = 7;

#define FUNCTION(type, name, parameters)                                                           \
    type NAME(name) parameters;                                                                    \
    type NAME(name)                                                                                \
    parameters

FUNCTION(const char *, openblas_get_config, (void))
{
    return "OpenBLAS 9.8.7 DYNAMIC_ARCH USE64BITINT Fake MAX_THREADS=64";
}

FUNCTION(const char *, openblas_get_corename, (void))
{
    return "Fake";
}

FUNCTION(int, openblas_get_parallel, (void))
{
#ifdef FAKE_SCIPY
    return 1;
#else
    return 0;
#endif
}

FUNCTION(int, openblas_get_num_threads, (void))
{
    return threads;
}

FUNCTION(void, openblas_set_num_threads, (int count))
{
    threads = count;
    sets++;
}
#endif

#ifdef FAKE_BLIS
static int64_t threads = 7;
const char *bli_info_get_version_str(void);
int bli_arch_query_id(void);
const char *bli_arch_string(int id);
int64_t bli_info_get_blas_int_type_size(void);
int64_t bli_thread_get_num_threads(void);
void bli_thread_set_num_threads(int64_t count);

const char *bli_info_get_version_str(void)
{
    return "9.8";
}

int bli_arch_query_id(void)
{
    return 3;
}

const char *bli_arch_string(int id)
{
    return id == 3 ? "fake" : "?";
}

int64_t bli_info_get_blas_int_type_size(void)
{
    return 32;
}

int64_t bli_thread_get_num_threads(void)
{
    return threads;
}

void bli_thread_set_num_threads(int64_t count)
{
    threads = count;
    sets++;
}
#endif

#ifdef FAKE_MKL
static int threads = 7, interface = -1, threading = -1;
int MKL_Set_Interface_Layer(int code);
int MKL_Set_Threading_Layer(int code);
void MKL_Get_Version_String(char *text, int size);
int MKL_Get_Max_Threads(void);
void MKL_Set_Num_Threads(int count);

/* 32-bit integers, the OpenMP of gcc. */
int fake_layers_chosen(void)
{
    return interface == 0 && threading == 3;
}

int MKL_Set_Interface_Layer(int code)
{
    return interface = code;
}

int MKL_Set_Threading_Layer(int code)
{
    return threading = code;
}

void MKL_Get_Version_String(char *text, int size)
{
    snprintf(text, (size_t)size, "Intel(R) oneAPI Math Kernel Library Version 9.8-Product Build 1");
}

int MKL_Get_Max_Threads(void)
{
    return threads;
}

void MKL_Set_Num_Threads(int count)
{
    threads = count;
    sets++;
}
#endif

/* xsmm_transpose.c: transposed copies by libxsmm's generated code, which is quick for multiples of
 * 8 and four times slower elsewhere. So 8 rows are done at a time, as they come from memory, and
 * the last 8 rows or columns of other sizes overlap with some that are done already. See
 * xsmm_plan.h. */
#include "linalg/xsmm_plan.h"

enum { QUICK = 8 };

bool gm_xsmm_transpose_prepare(struct xsmm_transpose *t, size_t element, size_t rows,
                               size_t columns, size_t ld_out)
{
    const size_t rest = columns < QUICK ? 0 : columns % QUICK;
    *t = (struct xsmm_transpose){
        .element = element,
        .rows = rows,
        .step = rows < QUICK ? rows : QUICK,
        .columns = {columns - rest, rest ? QUICK : 0},
        .last_column = rest ? columns - QUICK : 0,
        .ld_out = ld_out,
    };
    for (int i = 0; i < 2 && t->columns[i]; i++) {
        libxsmm_descriptor_blob blob;
        t->kernels[i] = libxsmm_dispatch_trans(
            libxsmm_trans_descriptor_init(&blob, (unsigned)element, (unsigned)t->columns[i],
                                          (unsigned)t->step, (unsigned)ld_out));
        if (!t->kernels[i])
            return false;
    }
    return true;
}

void gm_xsmm_transpose(const struct xsmm_transpose *t, const void *in, size_t ld_in, void *out)
{
    const unsigned ld = (unsigned)ld_in, ld_out = (unsigned)t->ld_out;
    for (size_t next = 0; next < t->rows; next += t->step) {
        const size_t row = t->rows - next < t->step ? t->rows - t->step : next;
        for (int i = 0; i < 2 && t->columns[i]; i++) {
            const size_t column = i ? t->last_column : 0;
            t->kernels[i]((const unsigned char *)in + (row * ld_in + column) * t->element, &ld,
                          (unsigned char *)out + (column * t->ld_out + row) * t->element, &ld_out);
        }
    }
}

/* metrics.c: see metrics.h. */
#include "train/metrics.h"

#include <math.h>

#include "core/parallel.h"

size_t gm_argmax(size_t n, const float *x)
{
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        if (x[j] > x[best])
            best = j;
    return best;
}

void gm_tally_reset(struct tally *tally)
{
    tally->examples = tally->correct = 0;
    tally->cost = tally->squared_error = tally->squares = 0;
    for (size_t j = 0; tally->sum && j < tally->outputs; j++)
        tally->shift[j] = tally->sum[j] = 0;
}

struct predictions {
    const float *a, *y;
    size_t n;
    size_t *correct;
};

static void count_correct(const void *context, size_t first, size_t last)
{
    const struct predictions *p = context;
    size_t correct = 0;
    for (size_t i = first; i < last; i++)
        correct += p->y[i * p->n + gm_argmax(p->n, p->a + i * p->n)] > 0.5f;
#pragma omp atomic
    *p->correct += correct;
}

static void add_classes(struct tally *t, size_t rows, const float *a, const float *y,
                        size_t *confusion)
{
    const size_t n = t->outputs;
    const struct predictions predictions = {a, y, n, &t->correct};
    gm_parallel(rows * n > 16384, rows, count_correct, &predictions);
    for (size_t i = 0; confusion && i < rows; i++)
        confusion[gm_argmax(n, y + i * n) * n + gm_argmax(n, a + i * n)]++;
}

static void add_labels(struct tally *t, size_t count, const float *a, const float *y)
{
    size_t correct = 0;
    for (size_t i = 0; i < count; i++)
        correct += (a[i] > 0.5f) == (y[i] > 0.5f);
    t->correct += correct;
}

static void add_values(struct tally *t, size_t rows, const float *a, const float *y)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < t->outputs; j++) {
            const double target = (double)y[i * t->outputs + j];
            const double d = (double)a[i * t->outputs + j] - target;
            t->squared_error += d * d;
            if (!t->sum)
                continue;
            if (t->examples + i == 0)
                t->shift[j] = target;
            t->sum[j] += target - t->shift[j];
            t->squares += (target - t->shift[j]) * (target - t->shift[j]);
        }
    }
}

void gm_tally_add(struct tally *tally, size_t rows, const float *a, const float *y, double cost,
                  size_t *confusion)
{
    switch (tally->task) {
    case GEMMLP_CLASSIFY:
        add_classes(tally, rows, a, y, confusion);
        break;
    case GEMMLP_MULTILABEL:
        add_labels(tally, rows * tally->outputs, a, y);
        break;
    case GEMMLP_REGRESS:
        add_values(tally, rows, a, y);
        break;
    }
    tally->cost += cost;
    tally->examples += rows;
}

gemmlp_metrics gm_tally_metrics(const struct tally *tally)
{
    gemmlp_metrics metrics = {
        .examples = tally->examples, .loss = NAN, .accuracy = NAN, .rmse = NAN, .r2 = NAN};
    const double n = (double)tally->examples, values = n * (double)tally->outputs;
    if (tally->examples == 0)
        return metrics;
    metrics.loss = tally->cost / n;
    if (tally->task == GEMMLP_CLASSIFY)
        metrics.accuracy = (double)tally->correct / n;
    if (tally->task == GEMMLP_MULTILABEL)
        metrics.accuracy = (double)tally->correct / values;
    if (tally->task != GEMMLP_REGRESS)
        return metrics;
    metrics.rmse = sqrt(tally->squared_error / values);
    double deviation = tally->squares;
    for (size_t j = 0; tally->sum && j < tally->outputs; j++)
        deviation -= tally->sum[j] * tally->sum[j] / n;
    if (tally->sum && deviation > 0)
        metrics.r2 = 1 - tally->squared_error / deviation;
    return metrics;
}

/* registry.c: the tables behind every name, for help texts, tests and bench. */
#include "data/preprocess.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

/* Rows have their own types, all with name and description. */
#define ENTRY(row)                                                                                 \
    (row) ? (struct entry){(row)->name, (row)->description} : (struct entry)                       \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

struct entry {
    const char *name, *description;
};

static const struct entry precisions[] = {
    {"f32", "everything in f32"},
    {"bf16", "products of bf16 copies, summed in f32; weights and optimizer in f32"},
};

static struct entry entry_at(gemmlp_registry registry, size_t index)
{
    switch (registry) {
    case GEMMLP_TASKS:
        return ENTRY(gm_task_at(index));
    case GEMMLP_FORMATS:
        return ENTRY(gm_format_at(index));
    case GEMMLP_PREPROCESSORS:
        return ENTRY(gm_preprocessor_at(index));
    case GEMMLP_ACTIVATIONS:
        return ENTRY(activation_at(index));
    case GEMMLP_LOSSES:
        return ENTRY(loss_at(index));
    case GEMMLP_INITS:
        return ENTRY(init_at(index));
    case GEMMLP_OPTIMIZERS:
        return ENTRY(optimizer_at(index));
    case GEMMLP_SCHEDULES:
        return ENTRY(gm_schedule_at(index));
    case GEMMLP_PROVIDERS:
        return (struct entry){gm_gemm_name_at(index).name, gm_gemm_name_at(index).description};
    case GEMMLP_PRECISIONS:
        return index < sizeof precisions / sizeof *precisions ? precisions[index]
                                                              : (struct entry){NULL, NULL};
    }
    return (struct entry){NULL, NULL};
}

const char *gemmlp_name(gemmlp_registry registry, size_t index)
{
    return entry_at(registry, index).name;
}

const char *gemmlp_description(gemmlp_registry registry, size_t index)
{
    return entry_at(registry, index).description;
}

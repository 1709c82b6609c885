/* gemmlp.h: train multi-layer perceptrons on CPUs. The only public header, and its manual.
 *
 * Read it top to bottom: the sections stand in the order in which data flows.
 *
 *   1. Status and errors     what every call returns
 *   2. Data                  examples in memory
 *   3. Network               what shall be trained
 *   4. Model                 its parameters: create, load, save, predict, evaluate
 *   5. Training              a trainer that goes on in steps as small as one mini-batch;
 *                            checkpoints
 *   6. Verification          gradients against finite differences, the chain rule with numbers
 *   7. Names and machine     the registries behind every name; threads; the BLAS in use
 *
 * Notation is that of Nielsen, "Neural Networks and Deep Learning", chapter 2, and of 3Blue1Brown,
 * "Backpropagation calculus": a (activation), z (weighted input), w_jk (weight to neuron j from
 * neuron k), b (bias), C (cost), delta (dC/dz). Layers are counted from 0: layer 0 is the first one
 * that has weights. All matrices are row-major; shapes are written (rows x columns).
 *
 * Every call that can fail returns a gemmlp_status and takes a `gemmlp_error *` (NULL is allowed)
 * that receives one sentence naming what was expected and what was found. Where a call fails,
 * `*out` is set to NULL and its other arguments are as before. The library never prints, never
 * exits and keeps no global state: objects may be used from different threads, one thread each at a
 * time. While it computes, a call sets the number of OpenMP threads of the calling thread and
 * restores it. (A BLAS keeps its thread count for the whole process: calls that compute at the same
 * time in different threads should ask for the same number, or their bits may vary from run to
 * run.) A BLAS is loaded when a call first computes, and stays: use one provider in a process. */
#ifndef GEMMLP_H
#define GEMMLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GEMMLP_VERSION "0.1.0"

#if defined(__GNUC__)
#define GEMMLP_API __attribute__((visibility("default")))
#else
#define GEMMLP_API
#endif

/* ---- 1. Status and errors ------------------------------------------------------------------ */

#define GEMMLP_STATUS_MAP(X)                                                                       \
    X(OK, "success")                                                                               \
    X(INVALID_ARGUMENT, "a setting is not valid")                                                  \
    X(BAD_DATA, "a data file is not usable")                                                       \
    X(BAD_MODEL, "a model file is not usable, or does not fit the data")                           \
    X(IO, "a file could not be opened, read or written")                                           \
    X(OUT_OF_MEMORY, "memory could not be allocated")                                              \
    X(DIVERGED, "training met NaN or infinity; the last good parameters were restored")            \
    X(UNSUPPORTED, "this build or this machine cannot do that")                                    \
    X(MISMATCH, "a checkpoint was saved under other conditions")

typedef enum gemmlp_status {
#define GEMMLP_STATUS_ENUM(name, text) GEMMLP_##name,
    GEMMLP_STATUS_MAP(GEMMLP_STATUS_ENUM)
#undef GEMMLP_STATUS_ENUM
} gemmlp_status;

typedef struct gemmlp_error {
    gemmlp_status status;
    char message[1024]; /* one sentence, no newline */
} gemmlp_error;

/* "BAD_DATA" and "a data file is not usable"; never NULL. */
GEMMLP_API const char *gemmlp_status_name(gemmlp_status status);
GEMMLP_API const char *gemmlp_status_text(gemmlp_status status);

/* ---- 2. Data ------------------------------------------------------------------------------- */

typedef enum gemmlp_task {
    GEMMLP_CLASSIFY,   /* one class of several: targets are labels 0 .. outputs - 1 */
    GEMMLP_REGRESS,    /* real targets */
    GEMMLP_MULTILABEL, /* each output is 0 or 1 for itself */
} gemmlp_task;

typedef struct gemmlp_dataset gemmlp_dataset;

/* Arrays of the caller as a data set; they are not copied and must outlive it.
 * Exactly one of x_f32, x_u8 is set; one of labels, targets, or neither: then the examples have no
 * targets, and a model can only predict for them. */
typedef struct gemmlp_arrays {
    size_t examples;
    size_t features;
    size_t outputs; /* columns of `targets`, or the number of classes (0: largest label + 1) */
    gemmlp_task task;
    const float *x_f32;    /* (examples x features) */
    const uint8_t *x_u8;   /* (examples x features), converted to float while a batch is gathered */
    const int32_t *labels; /* (examples): the class of each example */
    const float *targets;  /* (examples x outputs) */
} gemmlp_arrays;

typedef struct gemmlp_dataset_info {
    size_t examples;
    size_t features;
    size_t height, width; /* of an image; 0 when the file says nothing of it */
    bool has_targets;
    size_t outputs; /* these two only where it has */
    gemmlp_task task;
    const char *format;       /* "idx", or "memory" */
    const char *element_type; /* "uint8" or "float32" */
    const char *path;         /* where the examples came from; owned by the data set */
    size_t bytes;             /* held in memory */
} gemmlp_dataset_info;

typedef struct gemmlp_open_options {
    bool test;          /* of a directory: the test pair (t10k-…) instead of the training pair */
    const char *format; /* a name of GEMMLP_FORMATS; NULL: recognised by content */
    const char *task;   /* a name of GEMMLP_TASKS; NULL: told by the targets' type */
    size_t outputs;     /* classes there are; 0: the largest label + 1 */
    bool features_only; /* look for no targets: to predict */
} gemmlp_open_options;

/* Opens `path`: a directory that holds IDX files under MNIST's names, or one IDX file whose targets
 * are found by the naming convention (images-idx3 -> labels-idx1); gzip or raw. options may be
 * NULL. */
GEMMLP_API gemmlp_status gemmlp_dataset_open(const char *path, const gemmlp_open_options *options,
                                             gemmlp_dataset **out, gemmlp_error *error);
/* Whether the directory `path` holds a test pair. */
GEMMLP_API bool gemmlp_dataset_has_test(const char *path);
GEMMLP_API gemmlp_status gemmlp_dataset_wrap(const gemmlp_arrays *arrays, gemmlp_dataset **out,
                                             gemmlp_error *error);
/* Two disjoint random parts, a pure function of `seed`; `second` gets round(fraction x examples).
 * They share the memory of `dataset`, which may be freed before them. */
GEMMLP_API gemmlp_status gemmlp_dataset_split(const gemmlp_dataset *dataset, double fraction,
                                              uint64_t seed, gemmlp_dataset **first,
                                              gemmlp_dataset **second, gemmlp_error *error);
GEMMLP_API void gemmlp_dataset_info_get(const gemmlp_dataset *dataset, gemmlp_dataset_info *info);
/* One example as it was stored: x (features), y (outputs; one-hot for labels). Both may be NULL. */
GEMMLP_API gemmlp_status gemmlp_dataset_example(const gemmlp_dataset *dataset, size_t index,
                                                float *x, float *y, gemmlp_error *error);
/* How many examples there are of each class; counts (outputs). Only for GEMMLP_CLASSIFY. */
GEMMLP_API gemmlp_status gemmlp_dataset_class_counts(const gemmlp_dataset *dataset, size_t *counts,
                                                     gemmlp_error *error);
GEMMLP_API void gemmlp_dataset_free(gemmlp_dataset *dataset); /* NULL is allowed */

/* ---- 3. Network ---------------------------------------------------------------------------- */

typedef struct gemmlp_layer {
    size_t n_out;           /* neurons j; of the last layer: 0 takes the data's outputs */
    const char *activation; /* a name of GEMMLP_ACTIVATIONS. NULL: relu; at the output: softmax to
                               classify, identity to regress, sigmoid for multilabel */
    const char *init;       /* a name of GEMMLP_INITS. NULL: he for relu and its kin, else glorot */
    double dropout; /* probability in [0, 1), in steps of 1/65536, that an activation of this
                               layer is set to zero in training; the others are divided by
                               1 - dropout. Not at the output */
} gemmlp_layer;

typedef struct gemmlp_network {
    size_t n_in;                /* inputs k; 0 takes the data's features */
    size_t layer_count;         /* hidden layers and the output layer: at least 1 */
    const gemmlp_layer *layers; /* (layer_count) */
    gemmlp_task task;           /* taken from the data where a data set is given */
    const char *loss;           /* a name of GEMMLP_LOSSES. NULL: cross_entropy, to regress: mse */
    double label_smoothing; /* in [0, 1): y becomes (1 - s) y + s / outputs, in training only; for
                                   GEMMLP_CLASSIFY only */
    const char *preprocess; /* a name of GEMMLP_PREPROCESSORS. NULL: scale for uint8
                                   pixels, standardize for float32 features */
    uint64_t seed;          /* of the initial weights */
} gemmlp_network;

/* Floating-point operations of one training step for one example: 6 x weights - 2 x weights of the
 * first layer, for no gradient is taken of the inputs. Elementwise work is not counted. */
typedef struct gemmlp_cost_model {
    size_t weights;
    size_t parameters;       /* weights and biases */
    double flop_train;       /* per example */
    double flop_predict;     /* per example: 2 x weights */
    size_t bytes_parameters; /* one slab: parameters, or gradient, or one optimizer slot */
    size_t bytes_workspace;  /* activations, deltas and scratch of a training step */
    size_t bytes_half;       /* the weights rounded to bf16; 0 in f32 */
    size_t bytes_training; /* all slabs and the workspace; not the data and what validating needs */
} gemmlp_cost_model;

/* The network as gemmlp_model_create would take it, with all defaults filled in but the
 * pre-processing; data may be NULL. layers (layer_count), of the caller, receives out->layers. */
GEMMLP_API gemmlp_status gemmlp_network_resolve(const gemmlp_network *network,
                                                const gemmlp_dataset *data, gemmlp_layer *layers,
                                                gemmlp_network *out, gemmlp_error *error);

/* ---- 4. Model ------------------------------------------------------------------------------ */

typedef struct gemmlp_model gemmlp_model;

/* Where measured values do not apply to the task they are NaN. */
typedef struct gemmlp_metrics {
    size_t examples;
    double loss;     /* mean over the examples, without penalties and label smoothing */
    double accuracy; /* classify: share of examples whose largest output is the label;
                        multilabel: share of outputs on the right side of 1/2 */
    double rmse;     /* regress: root of the mean squared error over all outputs */
    double r2;       /* regress: 1 - squared error / squared deviation from each output's mean */
} gemmlp_metrics;

/* How a call computes. All zero: default threads, default provider. */
typedef struct gemmlp_compute {
    int threads; /* 0: gemmlp_default_threads() */
    /* A name of GEMMLP_PROVIDERS, or the path (with a '/') of a CBLAS library; NULL or "auto": the
     * first that is installed. */
    const char *provider;
    /* With provider NULL or "auto": the file of a plan, which says by which provider and on how
     * many threads each matrix product is fastest. What it does not hold is found by timing, in a
     * fraction of a second to a few, and added; there need be no file yet. "": the same without a
     * file. NULL: nothing is timed, and every product is the first provider's on all threads: the
     * same bits in every run. */
    const char *plan;
    /* A name of GEMMLP_PRECISIONS, of training steps; NULL: f32. With bf16 (mixed precision) the
     * matrix products read weights, activations and deltas rounded to bf16 and sum in f32; weights,
     * biases, optimizer, loss and model file stay f32. UNSUPPORTED, and what is missing, where the
     * CPU or the provider cannot; provider NULL is the first that can. Predicting and evaluating,
     * also while training, compute in f32 whatever stands here. */
    const char *precision;
} gemmlp_compute;

/* A model with initial weights. The pre-processing is fitted to `train`, which is not kept; with
 * train = NULL the network must give all sizes, and inputs are taken as they are. */
GEMMLP_API gemmlp_status gemmlp_model_create(const gemmlp_network *network,
                                             const gemmlp_dataset *train, gemmlp_model **out,
                                             gemmlp_error *error);
/* A safetensors file: layers.N.weight (n_out x n_in), layers.N.bias (n_out), preprocess.factor and
 * preprocess.offset (n_in), all float32; the architecture and class names in its metadata. Saving
 * replaces the file atomically: it is there whole, or as it was before. */
GEMMLP_API gemmlp_status gemmlp_model_load(const char *path, gemmlp_model **out,
                                           gemmlp_error *error);
GEMMLP_API gemmlp_status gemmlp_model_save(const gemmlp_model *model, const char *path,
                                           gemmlp_error *error);
/* The network with all defaults filled in; owned by the model. */
GEMMLP_API const gemmlp_network *gemmlp_model_network(const gemmlp_model *model);
/* Parameters of layer `layer`, owned by the model: w (n_out x n_in), b (n_out). May be written,
 * also between two calls of gemmlp_trainer_run. */
GEMMLP_API float *gemmlp_model_weights(gemmlp_model *model, size_t layer);
GEMMLP_API float *gemmlp_model_biases(gemmlp_model *model, size_t layer);
/* The name of a class; "3" unless names were set. NULL when there is no such class. */
GEMMLP_API const char *gemmlp_model_class_name(const gemmlp_model *model, size_t index);
/* names (outputs) are copied. */
GEMMLP_API gemmlp_status gemmlp_model_set_class_names(gemmlp_model *model, const char *const *names,
                                                      gemmlp_error *error);
/* Outputs a^L for examples first .. first + count - 1: out (count x outputs), of the caller. */
GEMMLP_API gemmlp_status gemmlp_model_predict(const gemmlp_model *model,
                                              const gemmlp_dataset *dataset, size_t first,
                                              size_t count, const gemmlp_compute *compute,
                                              float *out, gemmlp_error *error);
/* confusion (outputs x outputs; row = label, column = prediction) may be NULL. */
GEMMLP_API gemmlp_status gemmlp_model_evaluate(const gemmlp_model *model,
                                               const gemmlp_dataset *dataset,
                                               const gemmlp_compute *compute, gemmlp_metrics *out,
                                               size_t *confusion, gemmlp_error *error);
GEMMLP_API void gemmlp_model_free(gemmlp_model *model); /* NULL is allowed */

/* ---- 5. Training --------------------------------------------------------------------------- */

/* Start from gemmlp_training_default() and change what you need. A negative value, where noted,
 * stands for the default of the chosen optimizer or schedule. */
typedef struct gemmlp_training {
    const char *optimizer; /* a name of GEMMLP_OPTIMIZERS; default adam */
    double lr;             /* learning rate eta at its highest; negative: the optimizer's */
    double momentum;       /* mu of momentum and nesterov, beta1 of adam; negative: 0.9 */
    double beta2;          /* decay of the squared gradient (rmsprop, adam); negative: default */
    double epsilon;        /* added to the root of the squared gradient; negative: 1e-8 */
    double l1;             /* adds l1 sum |w| to C; weights only, never biases */
    double l2;             /* adds l2/2 sum w^2 to C; Nielsen's lambda/n */
    double weight_decay;   /* decoupled: w <- (1 - eta weight_decay) w; negative: the optimizer's */
    double clip_norm;      /* the gradient is scaled down to this Euclidean norm; 0: not */
    const char *schedule;  /* a name of GEMMLP_SCHEDULES; default one_cycle */
    double warmup;         /* share of all steps in which eta rises; negative: the schedule's */
    double schedule_factor;      /* see the schedule's description; negative: its default */
    double schedule_epochs;      /* likewise */
    size_t batch;                /* examples per step */
    size_t epochs;               /* passes over the training set */
    size_t patience;             /* stop after so many epochs without a better validation loss, and
                                    return to the best; 0: never */
    uint64_t seed;               /* of shuffling and dropout */
    const double *class_weights; /* (outputs) factor on C and its gradient; NULL: all 1. Copied */
    bool general_path; /* keep a gradient for every optimizer, also where the update could be
                          the GEMM itself: for comparisons */
    gemmlp_compute compute;
} gemmlp_training;

GEMMLP_API gemmlp_training gemmlp_training_default(void);

/* What training costs; nothing of that size is allocated. The network must give all sizes, as that
 * of a model does. */
GEMMLP_API gemmlp_status gemmlp_network_cost(const gemmlp_network *network,
                                             const gemmlp_training *training,
                                             gemmlp_cost_model *out, gemmlp_error *error);

typedef struct gemmlp_progress {
    size_t epoch;  /* epochs completed */
    size_t epochs; /* that were asked for */
    size_t step;   /* steps completed */
    size_t steps_per_epoch;
    double learning_rate; /* of the last step */
    gemmlp_metrics train; /* of the running epoch so far, or of the one just completed; measured
                             while the weights change, with dropout, label smoothing, class weights */
    gemmlp_metrics valid; /* after the last completed epoch, or of the best one when patience has
                             returned to it; examples = 0 without validation set */
    size_t best_epoch;    /* of the lowest validation loss; 0 without validation set */
    double train_seconds; /* inside training steps: gather, passes, update */
    double examples_per_second; /* over train_seconds */
    double gflops;              /* 1e9 floating-point operations a second over train_seconds */
    bool epoch_completed;       /* the last step was the last of its epoch */
    bool finished;              /* all epochs are done, or patience has run out */
} gemmlp_progress;

typedef struct gemmlp_trainer gemmlp_trainer;

/* model, train and valid (may be NULL) must outlive the trainer. All memory is allocated here. */
GEMMLP_API gemmlp_status gemmlp_trainer_create(gemmlp_model *model, const gemmlp_dataset *train,
                                               const gemmlp_dataset *valid,
                                               const gemmlp_training *training,
                                               gemmlp_trainer **out, gemmlp_error *error);
/* Steps (forward, cost, backward, update over one mini-batch) until `seconds` have passed or an
 * epoch is completed, at least one; seconds = 0 makes exactly one step, slices of 0.01 s or more
 * cost nothing. The last step of an epoch also measures the validation set. GEMMLP_DIVERGED: the
 * message says where NaN or infinity came first; the model is as it was after the last completed
 * epoch. */
GEMMLP_API gemmlp_status gemmlp_trainer_run(gemmlp_trainer *trainer, double seconds,
                                            gemmlp_error *error);
/* The same, but not beyond the step after which `step` are completed (where that is over, one
 * step). */
GEMMLP_API gemmlp_status gemmlp_trainer_run_until(gemmlp_trainer *trainer, size_t step,
                                                  double seconds, gemmlp_error *error);
GEMMLP_API void gemmlp_trainer_progress(const gemmlp_trainer *trainer, gemmlp_progress *progress);
/* The settings it trains with, every default filled in; class_weights is NULL. Names are valid as
 * long as the trainer. */
GEMMLP_API void gemmlp_trainer_settings(const gemmlp_trainer *trainer, gemmlp_training *settings);
GEMMLP_API void gemmlp_trainer_free(gemmlp_trainer *trainer); /* NULL is allowed */
/* Runs until all is finished. progress (may be NULL) receives the state at the end, unless nothing
 * was begun. */
GEMMLP_API gemmlp_status gemmlp_train(gemmlp_model *model, const gemmlp_dataset *train,
                                      const gemmlp_dataset *valid, const gemmlp_training *training,
                                      gemmlp_progress *progress, gemmlp_error *error);

/* Checkpoints: a trainer between two steps as a file, and back. A run that was stopped, even in the
 * middle of an epoch, and resumed gives the same bits as one that was not, where machine type,
 * versions, provider, threads, settings and data are the same; what is not is named.
 *
 *   gemmlp_checkpoint_newest(directory, &checkpoint, &error);
 *   if (checkpoint)
 *       gemmlp_trainer_resume(model, train, valid, NULL, checkpoint, false, &trainer, &error);
 *   else
 *       gemmlp_trainer_create(model, train, valid, &training, &trainer, &error);
 *   gemmlp_checkpoint_free(checkpoint);
 *   … gemmlp_trainer_run …
 *   gemmlp_trainer_checkpoint(trainer, directory, 2, NULL, &error);
 *
 * A checkpoint is a safetensors file that gemmlp_model_load opens as well. It is replaced
 * atomically, is on the disk when the call returns, and its checksum is verified before anything in
 * it is used. */

typedef struct gemmlp_checkpoint gemmlp_checkpoint;

/* note: a text (UTF-8) of the caller's that is kept with it; may be NULL. GEMMLP_DIVERGED: not
 * everything is finite; what was saved before stays. */
GEMMLP_API gemmlp_status gemmlp_trainer_save(gemmlp_trainer *trainer, const char *path,
                                             const char *note, gemmlp_error *error);
/* Saves DIRECTORY/step-NNNNNNNNN.safetensors, makes the directory if need be, and removes those of
 * the checkpoints there that are not among the last `keep`, or are newer than this one: a directory
 * is for one run. */
GEMMLP_API gemmlp_status gemmlp_trainer_checkpoint(gemmlp_trainer *trainer, const char *directory,
                                                   size_t keep, const char *note,
                                                   gemmlp_error *error);

GEMMLP_API gemmlp_status gemmlp_checkpoint_open(const char *path, gemmlp_checkpoint **out,
                                                gemmlp_error *error);
/* The newest of a directory that is sound; *out = NULL where there is none at all, or no directory.
 * BAD_MODEL: there are some, and each is damaged. */
GEMMLP_API gemmlp_status gemmlp_checkpoint_newest(const char *directory, gemmlp_checkpoint **out,
                                                  gemmlp_error *error);
/* Why a newer one was passed over; "": there was none. */
GEMMLP_API const char *gemmlp_checkpoint_passed_over(const gemmlp_checkpoint *checkpoint);
GEMMLP_API const char *gemmlp_checkpoint_path(const gemmlp_checkpoint *checkpoint);
GEMMLP_API const char *gemmlp_checkpoint_note(const gemmlp_checkpoint *checkpoint); /* or NULL */
/* The settings of its training; names and class weights are valid as long as the checkpoint. A
 * provider that was named by a path is not among them, for a file must not choose what code is
 * loaded: name it again. */
GEMMLP_API void gemmlp_checkpoint_settings(const gemmlp_checkpoint *checkpoint,
                                           gemmlp_training *settings);
/* Counters, learning rate, validation, seconds; what was measured on the running epoch is not in
 * it. */
GEMMLP_API void gemmlp_checkpoint_progress(const gemmlp_checkpoint *checkpoint,
                                           gemmlp_progress *progress);
GEMMLP_API void gemmlp_checkpoint_free(gemmlp_checkpoint *checkpoint); /* NULL is allowed */

/* A trainer in the state of the checkpoint, which may be freed after. The model is one of the same
 * network, newly made or loaded from the checkpoint; its parameters and pre-processing are
 * replaced. training NULL: the settings of the checkpoint. Products are computed as its plan says,
 * without timing. MISMATCH: the message names what is not as it was: conditions, data, settings,
 * network. allow_mismatch goes on all the same; an epoch that has other steps now (batch, examples)
 * starts again. The number of epochs may change where the schedule's rates up to here do not depend
 * on it. */
GEMMLP_API gemmlp_status gemmlp_trainer_resume(gemmlp_model *model, const gemmlp_dataset *train,
                                               const gemmlp_dataset *valid,
                                               const gemmlp_training *training,
                                               const gemmlp_checkpoint *checkpoint,
                                               bool allow_mismatch, gemmlp_trainer **out,
                                               gemmlp_error *error);
/* What was not as the checkpoint says when it was resumed; "": nothing. */
GEMMLP_API const char *gemmlp_trainer_mismatch(const gemmlp_trainer *trainer);

/* ---- 6. Verification (everything here computes in double precision) ------------------------- */

typedef struct gemmlp_gradcheck_options {
    size_t batch;     /* random examples; 0: 5 */
    size_t samples;   /* parameters checked, spread over all; 0: every one */
    double l1, l2;    /* penalties to include */
    double tolerance; /* 0: 1e-7 */
    uint64_t seed;    /* of the random examples */
} gemmlp_gradcheck_options;

typedef struct gemmlp_gradcheck_report {
    size_t parameters;
    size_t parameters_checked;
    double max_relative_error; /* |g - d| / max(|g|, |d|, 1e-3 x the largest |g|) where
                                  g is by back-propagation, d by central differences */
    double tolerance;
    double max_gradient; /* the largest |g|: a check of all-zero gradients proves nothing */
    size_t worst_layer, worst_row, worst_column; /* worst_column = n_in: the bias of that row */
    double worst_backprop, worst_difference;
    bool passed;
} gemmlp_gradcheck_report;

/* Central differences with Richardson extrapolation (Ridders 1982) of a network whose sizes are all
 * given, on random examples fit for its task. */
GEMMLP_API gemmlp_status gemmlp_gradcheck(const gemmlp_network *network,
                                          const gemmlp_gradcheck_options *options,
                                          gemmlp_gradcheck_report *report, gemmlp_error *error);

/* The chain rule for one weight and one example, as in "Backpropagation calculus":
 *   dC0/dw_jk = dz_j/dw_jk * da_j/dz_j * dC0/da_j,  dC0/da_j = sum over paths i of
 *               dz_i/da_j * dC0/dz_i  (the next layer's neurons i), or the loss's derivative. */
typedef struct gemmlp_path {
    size_t neuron; /* i, in the next layer */
    double dz_da;  /* w_ij */
    double dC_dz;  /* delta_i = sigma'(z_i) dC0/da_i */
} gemmlp_path;

typedef struct gemmlp_explanation {
    size_t example, layer, j, k;
    double weight, a_in, z, a;
    double dz_dw;       /* a_k of the layer before */
    double da_dz;       /* sigma'(z_j); at a softmax output: da_j/dz_j alone */
    double dC_da;       /* direct, or the sum over the paths */
    double dC_dz;       /* delta_j: da_dz * dC_da, at a softmax output a sum over all outputs */
    double dC_dw;       /* dz_dw * dC_dz */
    size_t path_count;  /* neurons of the next layer; 0 at the output */
    gemmlp_path *paths; /* (path_count), owned by the explanation */
    double target;      /* y_j at the output layer, else NaN */
    double cost;        /* C0 of this example */
    double average_cost, average_dC_dw; /* over average_examples examples */
    size_t average_examples;
    double nudge;                            /* by how much w_jk was changed */
    double cost_nudged, average_cost_nudged; /* what C0 and C then really are */
} gemmlp_explanation;

/* nudge 0: 1e-3. average_examples 0: all of the data set. Freed by gemmlp_explanation_free. */
GEMMLP_API gemmlp_status gemmlp_explain(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                        size_t example, size_t layer, size_t j, size_t k,
                                        double nudge, size_t average_examples,
                                        gemmlp_explanation **out, gemmlp_error *error);
GEMMLP_API void gemmlp_explanation_free(gemmlp_explanation *explanation);

typedef struct gemmlp_weight_index {
    size_t layer, j, k;
    double dC_dw;
} gemmlp_weight_index;

/* The `count` weights with the largest |dC0/dw| for one example, largest first, of one layer or
 * (GEMMLP_ALL_LAYERS) of all; out (count). When there are fewer weights the rest is not written;
 * *found says how many were. */
#define GEMMLP_ALL_LAYERS SIZE_MAX
GEMMLP_API gemmlp_status gemmlp_largest_gradients(const gemmlp_model *model,
                                                  const gemmlp_dataset *dataset, size_t example,
                                                  size_t layer, size_t count,
                                                  gemmlp_weight_index *out, size_t *found,
                                                  gemmlp_error *error);

/* ---- 7. Names and machine ------------------------------------------------------------------ */

typedef enum gemmlp_registry {
    GEMMLP_TASKS, /* in the order of gemmlp_task */
    GEMMLP_FORMATS,
    GEMMLP_PREPROCESSORS,
    GEMMLP_ACTIVATIONS,
    GEMMLP_LOSSES,
    GEMMLP_INITS,
    GEMMLP_OPTIMIZERS,
    GEMMLP_SCHEDULES,
    GEMMLP_PROVIDERS,
    GEMMLP_PRECISIONS,
} gemmlp_registry;

/* The name and one-line description of entry `index`, NULL past the last. */
GEMMLP_API const char *gemmlp_name(gemmlp_registry registry, size_t index);
GEMMLP_API const char *gemmlp_description(gemmlp_registry registry, size_t index);

typedef struct gemmlp_machine {
    char cpu[128];
    int threads_affinity; /* CPUs this process may run on */
    int threads_cgroup;   /* CPUs its control group may use, rounded up; 0: no limit */
    int threads_slurm;    /* SLURM_CPUS_PER_TASK; 0: not set */
    int threads_omp;      /* OMP_NUM_THREADS; 0: not set */
    int threads;          /* the least of these: gemmlp_default_threads() */
    size_t memory_bytes;
    const char *instruction_set; /* of the elementwise kernels chosen at run time */
} gemmlp_machine;

GEMMLP_API void gemmlp_machine_get(gemmlp_machine *machine);
GEMMLP_API int gemmlp_default_threads(void);

/* A provider of matrix products, as gemmlp_compute names it. */
typedef struct gemmlp_provider_info {
    char name[32];     /* of GEMMLP_PROVIDERS, also when a path was given; "cblas": none of them */
    char version[128]; /* "OpenBLAS 0.3.21" */
    char kernel[64];   /* "Zen": what it chose for this CPU; "" when it does not say */
    char path[1024];   /* of the shared library; "" when there is none */
    char notice[256];  /* what its user should read when so many threads compute; "": nothing */
} gemmlp_provider_info;

/* Loads the library, which stays loaded until the process ends. To look at several, ask for each in
 * a process of its own: some libraries do not bear another one beside them. UNSUPPORTED: it is not
 * installed. */
GEMMLP_API gemmlp_status gemmlp_provider_info_get(const char *provider, int threads,
                                                  gemmlp_provider_info *info, gemmlp_error *error);

/* The same of what `compute` stands for, which may be a plan over several: name "auto". NULL: all
 * defaults. */
GEMMLP_API gemmlp_status gemmlp_compute_info_get(const gemmlp_compute *compute,
                                                 gemmlp_provider_info *info, gemmlp_error *error);

#ifdef __cplusplus
}
#endif
#endif

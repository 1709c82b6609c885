/* train_report.c: what `gemmlp train` says at its start and its end, and the events of its log. */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/names.h"
#include "cli/numbers.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/train.h"

static void append_threads(const struct train_run *run, char *text, size_t size)
{
    gemmlp_machine machine;
    int threads = gm_compute_threads(&run->options->compute);
    gm_append(text, size, "%d %s (", threads, threads == 1 ? "thread" : "threads");
    if (run->options->compute.threads) {
        gm_append(text, size, "--threads)");
        return;
    }
    gemmlp_machine_get(&machine);
    gm_append(text, size, "affinity %d, cgroup ", machine.threads_affinity);
    if (machine.threads_cgroup) {
        gm_append(text, size, "%d", machine.threads_cgroup);
    } else {
        gm_append(text, size, "none");
    }
    if (machine.threads_slurm) {
        gm_append(text, size, ", SLURM_CPUS_PER_TASK %d", machine.threads_slurm);
    }
    if (machine.threads_omp) {
        gm_append(text, size, ", OMP_NUM_THREADS %d", machine.threads_omp);
    }
    gm_append(text, size, ")");
}

void gm_train_say_start(const struct train_run *run)
{
    char threads[256] = "", shape[1024];
    const char *provider = gm_compute_provider(&run->options->compute);
    const char *version = gemmlp_provider_version(provider);
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(run->train, &info);
    append_threads(run, threads, sizeof threads);
    gm_network_shape(gemmlp_model_network(run->model), shape, sizeof shape);
    fprintf(stderr, "%s; %s: %s; %s, %zu parameters, %zu examples\n", threads, provider,
            version ? version : "unknown version", shape, run->cost.parameters, info.examples);
}

static void record_data(struct record *record, const char *key, const gemmlp_dataset *dataset)
{
    if (!dataset) {
        return;
    }
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(dataset, &info);
    struct record data = gm_record_begin();
    gm_record_text(&data, "path", info.path);
    gm_record_text(&data, "format", info.format);
    gm_record_text(&data, "element_type", info.element_type);
    gm_record_size(&data, "examples", info.examples);
    gm_record_size(&data, "features", info.features);
    gm_record_size(&data, "outputs", info.outputs);
    gm_record_json(record, key, gm_record_take(&data));
}

static void record_network(struct record *record, const gemmlp_network *network)
{
    struct record object = gm_record_begin();
    json_t *layers = json_array();
    for (size_t i = 0; i < network->layer_count; i++) {
        struct record layer = gm_record_begin();
        gm_record_size(&layer, "n_out", network->layers[i].n_out);
        gm_record_text(&layer, "activation", network->layers[i].activation);
        gm_record_text(&layer, "init", network->layers[i].init);
        gm_record_real(&layer, "dropout", network->layers[i].dropout);
        gm_record_append(&object, layers, gm_record_take(&layer));
    }
    gm_record_size(&object, "n_in", network->n_in);
    gm_record_json(&object, "layers", layers);
    gm_record_text(&object, "task", gm_task_name(network->task));
    gm_record_text(&object, "loss", network->loss);
    gm_record_real(&object, "label_smoothing", network->label_smoothing);
    gm_record_text(&object, "preprocess", network->preprocess);
    gm_record_json(record, "network", gm_record_take(&object));
}

static void record_training(struct record *record, const struct train_run *run)
{
    const gemmlp_training *training = &run->training;
    struct record object = gm_record_begin();
    gm_record_text(&object, "optimizer", training->optimizer);
    gm_record_text(&object, "schedule", training->schedule);
    const struct {
        const char *name;
        double value;
        bool may_be_default;
    } numbers[] = {
        {"lr", training->lr, true},
        {"momentum", training->momentum, true},
        {"beta2", training->beta2, true},
        {"epsilon", training->epsilon, true},
        {"l1", training->l1, false},
        {"l2", training->l2, false},
        {"weight_decay", training->weight_decay, true},
        {"clip_norm", training->clip_norm, false},
        {"warmup", training->warmup, true},
        {"schedule_factor", training->schedule_factor, true},
        {"schedule_epochs", training->schedule_epochs, true},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].may_be_default && numbers[i].value < 0) {
            gm_record_text(&object, numbers[i].name, "default");
        } else {
            gm_record_real(&object, numbers[i].name, numbers[i].value);
        }
    }
    gm_record_size(&object, "batch", training->batch);
    gm_record_size(&object, "epochs", training->epochs);
    gm_record_size(&object, "patience", training->patience);
    if (run->class_weights) {
        json_t *weights = json_array();
        for (size_t i = 0; i < gm_model_outputs(run->model); i++) {
            gm_record_append(&object, weights, json_real(run->class_weights[i]));
        }
        gm_record_json(&object, "class_weights", weights);
    }
    gm_record_json(record, "training", gm_record_take(&object));
}

static void record_computation(struct record *record, const struct train_run *run)
{
    const char *provider = gm_compute_provider(&run->options->compute);
    gm_record_size(record, "threads", (size_t)gm_compute_threads(&run->options->compute));
    gm_record_text(record, "provider", provider);
    gm_record_text(record, "provider_version", gemmlp_provider_version(provider));
    gm_record_text(record, "precision", run->options->precision);
    gm_record_size(record, "seed", run->options->network.seed);
}

bool gm_train_log_start(struct train_run *run)
{
    struct record record = gm_log_event("run");
    char date[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) {
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    json_t *words = json_array();
    gm_record_append(&record, words, json_string("gemmlp"));
    for (int i = 0; i < run->argc; i++) {
        gm_record_append(&record, words, gm_json_text(run->argv[i]));
    }
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    gm_record_text(&record, "date", date);
    gm_record_text(&record, "version", GEMMLP_VERSION);
    gm_record_json(&record, "command", words);
    record_data(&record, "data", run->train);
    record_data(&record, "valid", run->valid);
    record_data(&record, "test", run->test);
    gm_record_text(&record, "valid_option", run->options->data.valid);
    record_network(&record, gemmlp_model_network(run->model));
    record_training(&record, run);
    gm_record_size(&record, "parameters", run->cost.parameters);
    record_computation(&record, run);
    gm_record_text(&record, "cpu", machine.cpu);
    gm_record_text(&record, "instruction_set", machine.instruction_set);
    return gm_log_write(&run->log, &record);
}

bool gm_train_log_epoch(struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    struct record record = gm_log_event("epoch");
    gm_record_size(&record, "epoch", progress->epoch);
    gm_record_size(&record, "step", progress->step);
    gm_record_real(&record, "lr", progress->learning_rate);
    gm_record_metrics(&record, "train_", &progress->train);
    gm_record_metrics(&record, "valid_", &progress->valid);
    gm_record_real(&record, "examples_per_second", progress->examples_per_second);
    gm_record_real(&record, "gflops", progress->gflops);
    gm_record_real(&record, "train_seconds", progress->train_seconds);
    gm_record_real(&record, "seconds", gm_clock() - run->started);
    return gm_log_write(&run->log, &record);
}

static const char *run_status(const struct train_run *run)
{
    return run->diverged                                ? "diverged"
           : run->progress.epoch < run->training.epochs ? "stopped early"
                                                        : "finished";
}

static double peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return NAN;
    }
#ifdef __APPLE__
    return (double)usage.ru_maxrss;
#else
    return 1024.0 * (double)usage.ru_maxrss; /* kilobytes elsewhere */
#endif
}

/* The keys of CLI.md; both `train --json` and the log's last event. */
static void record_results(struct record *record, const struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(run->train, &info);
    bool regress = info.task == GEMMLP_REGRESS;
    gm_record_text(record, "status", run_status(run));
    gm_record_text(record, "model", run->model_saved ? run->options->model_path : NULL);
    gm_record_size(record, "examples", info.examples);
    gm_record_size(record, "features", info.features);
    gm_record_size(record, "outputs", info.outputs);
    gm_record_size(record, "parameters", run->cost.parameters);
    gm_record_size(record, "epochs", progress->epoch);
    gm_record_size(record, "steps", progress->step);
    gm_record_metrics(record, "train_", &progress->train);
    gm_record_metrics(record, "valid_", &run->valid_metrics);
    if (progress->best_epoch > 0) {
        gm_record_size(record, "best_epoch", progress->best_epoch);
    }
    if (run->test_metrics.examples > 0) {
        gm_record_real(record, "test_loss", run->test_metrics.loss);
        gm_record_real(record, "test_accuracy", run->test_metrics.accuracy);
        if (regress) {
            gm_record_real(record, "rmse", run->test_metrics.rmse);
            gm_record_real(record, "r2", run->test_metrics.r2);
        }
    }
    gm_record_real(record, "train_seconds", progress->train_seconds);
    gm_record_real(record, "wall_seconds", run->wall_seconds);
    gm_record_real(record, "examples_per_second", progress->examples_per_second);
    gm_record_real(record, "gflops", progress->gflops);
    record_computation(record, run);
    double peak = peak_rss_bytes();
    if (!isnan(peak)) {
        gm_record_size(record, "peak_rss_bytes", (size_t)peak);
    }
}

bool gm_train_log_end(struct train_run *run)
{
    struct record record = gm_log_event("end");
    record_results(&record, run);
    return gm_log_write(&run->log, &record);
}

int gm_train_results(const struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    if (run->options->common.json) {
        struct record record = gm_record_begin();
        record_results(&record, run);
        return gm_record_print(&record);
    }
    char duration[48];
    gm_format_duration(progress->train_seconds, duration, sizeof duration);
    gm_print_metrics("test ", &run->test_metrics);
    gm_print_metrics("valid ", &run->valid_metrics);
    if (!run->test && !run->valid) {
        gm_print_metrics("train ", &progress->train);
    }
    printf("training        %s, %zu %s, %.0f examples/s, %.1f GFLOP/s\n", duration, progress->epoch,
           progress->epoch == 1 ? "epoch" : "epochs", progress->examples_per_second,
           progress->gflops);
    if (run->training.patience > 0) {
        printf("best epoch      %zu\n", progress->best_epoch);
    }
    if (run->model_saved) {
        printf("model           %s\n", run->options->model_path);
    }
    return EXIT_CODE_DONE;
}

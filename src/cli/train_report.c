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
    int threads = cli_compute_threads(&run->options->compute);
    cli_append(text, size, "%d %s (", threads, threads == 1 ? "thread" : "threads");
    if (run->options->compute.threads) {
        cli_append(text, size, "--threads)");
        return;
    }
    gemmlp_machine_get(&machine);
    cli_append(text, size, "affinity %d, cgroup ", machine.threads_affinity);
    if (machine.threads_cgroup) {
        cli_append(text, size, "%d", machine.threads_cgroup);
    } else {
        cli_append(text, size, "none");
    }
    if (machine.threads_slurm) {
        cli_append(text, size, ", SLURM_CPUS_PER_TASK %d", machine.threads_slurm);
    }
    if (machine.threads_omp) {
        cli_append(text, size, ", OMP_NUM_THREADS %d", machine.threads_omp);
    }
    cli_append(text, size, ")");
}

void cli_train_say_start(const struct train_run *run)
{
    char threads[256] = "", shape[1024];
    const char *provider = cli_compute_provider(&run->options->compute);
    const char *version = gemmlp_provider_version(provider);
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(run->train, &info);
    append_threads(run, threads, sizeof threads);
    cli_network_shape(gemmlp_model_network(run->model), shape, sizeof shape);
    fprintf(stderr, "%s; %s: %s; %s, %zu parameters, %zu examples\n", threads, provider,
            version ? version : "unknown version", shape, run->cost.parameters, info.examples);
    if (!run->options->model_path) {
        fputs("the trained network will not be kept: --model FILE.safetensors saves it\n", stderr);
    }
}

static void record_data(struct record *record, const char *key, const gemmlp_dataset *dataset)
{
    if (!dataset) {
        return;
    }
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(dataset, &info);
    struct record data = cli_record_begin();
    cli_record_text(&data, "path", info.path);
    cli_record_text(&data, "format", info.format);
    cli_record_text(&data, "element_type", info.element_type);
    cli_record_size(&data, "examples", info.examples);
    cli_record_size(&data, "features", info.features);
    cli_record_size(&data, "outputs", info.outputs);
    cli_record_json(record, key, cli_record_take(&data));
}

static void record_network(struct record *record, const gemmlp_network *network)
{
    struct record object = cli_record_begin();
    json_t *layers = json_array();
    for (size_t i = 0; i < network->layer_count; i++) {
        struct record layer = cli_record_begin();
        cli_record_size(&layer, "n_out", network->layers[i].n_out);
        cli_record_text(&layer, "activation", network->layers[i].activation);
        cli_record_text(&layer, "init", network->layers[i].init);
        cli_record_real(&layer, "dropout", network->layers[i].dropout);
        cli_record_append(&object, layers, cli_record_take(&layer));
    }
    cli_record_size(&object, "n_in", network->n_in);
    cli_record_json(&object, "layers", layers);
    cli_record_text(&object, "task", cli_task_name(network->task));
    cli_record_text(&object, "loss", network->loss);
    cli_record_real(&object, "label_smoothing", network->label_smoothing);
    cli_record_text(&object, "preprocess", network->preprocess);
    cli_record_json(record, "network", cli_record_take(&object));
}

static void record_training(struct record *record, const struct train_run *run)
{
    const gemmlp_training *training = &run->training;
    struct record object = cli_record_begin();
    cli_record_text(&object, "optimizer", training->optimizer);
    cli_record_text(&object, "schedule", training->schedule);
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
            cli_record_text(&object, numbers[i].name, "default");
        } else {
            cli_record_real(&object, numbers[i].name, numbers[i].value);
        }
    }
    cli_record_size(&object, "batch", training->batch);
    cli_record_size(&object, "epochs", training->epochs);
    cli_record_size(&object, "patience", training->patience);
    if (run->class_weights) {
        json_t *weights = json_array();
        for (size_t i = 0; i < cli_model_outputs(run->model); i++) {
            cli_record_append(&object, weights, json_real(run->class_weights[i]));
        }
        cli_record_json(&object, "class_weights", weights);
    }
    cli_record_json(record, "training", cli_record_take(&object));
}

static void record_computation(struct record *record, const struct train_run *run)
{
    const char *provider = cli_compute_provider(&run->options->compute);
    cli_record_size(record, "threads", (size_t)cli_compute_threads(&run->options->compute));
    cli_record_text(record, "provider", provider);
    cli_record_text(record, "provider_version", gemmlp_provider_version(provider));
    cli_record_text(record, "precision", run->options->precision);
    cli_record_size(record, "seed", run->options->network.seed);
}

bool cli_train_log_start(struct train_run *run)
{
    struct record record = cli_log_event("run");
    char date[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) {
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    json_t *words = json_array();
    cli_record_append(&record, words, json_string("gemmlp"));
    for (int i = 0; i < run->argc; i++) {
        cli_record_append(&record, words, cli_json_text(run->argv[i]));
    }
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    cli_record_text(&record, "date", date);
    cli_record_text(&record, "version", GEMMLP_VERSION);
    cli_record_json(&record, "command", words);
    record_data(&record, "data", run->train);
    record_data(&record, "valid", run->valid);
    record_data(&record, "test", run->test);
    cli_record_text(&record, "valid_option", run->options->data.valid);
    record_network(&record, gemmlp_model_network(run->model));
    record_training(&record, run);
    cli_record_size(&record, "parameters", run->cost.parameters);
    record_computation(&record, run);
    cli_record_text(&record, "cpu", machine.cpu);
    cli_record_text(&record, "instruction_set", machine.instruction_set);
    return cli_log_write(&run->log, &record);
}

bool cli_train_log_epoch(struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    struct record record = cli_log_event("epoch");
    cli_record_size(&record, "epoch", progress->epoch);
    cli_record_size(&record, "step", progress->step);
    cli_record_real(&record, "lr", progress->learning_rate);
    cli_record_metrics(&record, "train_", &progress->train);
    cli_record_metrics(&record, "valid_", &progress->valid);
    cli_record_real(&record, "examples_per_second", progress->examples_per_second);
    cli_record_real(&record, "gflops", progress->gflops);
    cli_record_real(&record, "train_seconds", progress->train_seconds);
    cli_record_real(&record, "seconds", cli_clock() - run->started);
    return cli_log_write(&run->log, &record);
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
    cli_record_text(record, "status", run_status(run));
    cli_record_text(record, "model", run->model_saved ? run->options->model_path : NULL);
    cli_record_size(record, "examples", info.examples);
    cli_record_size(record, "features", info.features);
    cli_record_size(record, "outputs", info.outputs);
    cli_record_size(record, "parameters", run->cost.parameters);
    cli_record_size(record, "epochs", progress->epoch);
    cli_record_size(record, "steps", progress->step);
    cli_record_metrics(record, "train_", &progress->train);
    cli_record_metrics(record, "valid_", &run->valid_metrics);
    if (progress->best_epoch > 0) {
        cli_record_size(record, "best_epoch", progress->best_epoch);
    }
    if (run->test_metrics.examples > 0) {
        cli_record_real(record, "test_loss", run->test_metrics.loss);
        cli_record_real(record, "test_accuracy", run->test_metrics.accuracy);
        if (regress) {
            cli_record_real(record, "rmse", run->test_metrics.rmse);
            cli_record_real(record, "r2", run->test_metrics.r2);
        }
    }
    cli_record_real(record, "train_seconds", progress->train_seconds);
    cli_record_real(record, "wall_seconds", run->wall_seconds);
    cli_record_real(record, "examples_per_second", progress->examples_per_second);
    cli_record_real(record, "gflops", progress->gflops);
    record_computation(record, run);
    double peak = peak_rss_bytes();
    if (!isnan(peak)) {
        cli_record_size(record, "peak_rss_bytes", (size_t)peak);
    }
}

bool cli_train_log_end(struct train_run *run)
{
    struct record record = cli_log_event("end");
    record_results(&record, run);
    return cli_log_write(&run->log, &record);
}

int cli_train_results(const struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    if (run->options->common.json) {
        struct record record = cli_record_begin();
        record_results(&record, run);
        return cli_record_print(&record);
    }
    char duration[48];
    cli_format_duration(progress->train_seconds, duration, sizeof duration);
    cli_print_metrics("test ", &run->test_metrics);
    cli_print_metrics("valid ", &run->valid_metrics);
    if (!run->test && !run->valid) {
        cli_print_metrics("train ", &progress->train);
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

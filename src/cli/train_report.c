/* train_report.c: what `gemmlp train` says at its start and its end. */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/names.h"
#include "cli/numbers.h"
#include "cli/providers.h"
#include "cli/report.h"
#include "cli/signals.h"
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
    char threads[256] = "", shape[1024], library[256];
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(run->train, &info);
    append_threads(run, threads, sizeof threads);
    cli_network_shape(gemmlp_model_network(run->model), shape, sizeof shape);
    cli_provider_title(&run->provider, library, sizeof library);
    if (run->options->from) {
        fprintf(stderr, "resumed from %s: %zu of %zu epochs, %zu steps%s\n",
                gemmlp_checkpoint_path(run->options->from), run->progress.epoch,
                run->progress.epochs, run->progress.step,
                run->progress.finished ? "; the run is finished" : "");
    }
    fprintf(stderr, "%s; %s: %s; %s, %zu parameters, %zu examples\n", threads, run->provider.name,
            library, shape, run->cost.parameters, info.examples);
    if (!run->options->model_path) {
        fputs("the trained network will not be kept: --model FILE.safetensors saves it\n", stderr);
    }
}

void cli_train_record_computation(struct record *record, const struct train_run *run)
{
    const gemmlp_provider_info *provider = &run->provider;
    cli_record_size(record, "threads", (size_t)cli_compute_threads(&run->options->compute));
    cli_record_text(record, "provider", provider->name);
    cli_record_text(record, "provider_version", provider->version);
    cli_record_text(record, "provider_path", provider->path[0] ? provider->path : NULL);
    cli_record_text(record, "kernel", provider->kernel[0] ? provider->kernel : NULL);
    cli_record_text(record, "precision", run->options->compute.precision);
    cli_record_size(record, "seed", run->options->network.seed);
}

static const char *run_status(const struct train_run *run)
{
    return run->diverged                                ? "diverged"
           : run->signal                                ? "stopped"
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

void cli_train_record_results(struct record *record, const struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(run->train, &info);
    bool regress = info.task == GEMMLP_REGRESS;
    cli_record_text(record, "status", run_status(run));
    cli_record_text(record, "signal", run->signal ? cli_signal_name(run->signal) : NULL);
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
    cli_train_record_computation(record, run);
    double peak = peak_rss_bytes();
    if (!isnan(peak)) {
        cli_record_size(record, "peak_rss_bytes", (size_t)peak);
    }
}

int cli_train_results(const struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    if (run->signal && !run->options->common.json) {
        return EXIT_CODE_DONE;
    }
    if (run->options->common.json) {
        struct record record = cli_record_begin();
        cli_train_record_results(&record, run);
        return cli_record_print(&record);
    }
    char duration[48];
    cli_format_duration(progress->train_seconds, duration, sizeof duration);
    cli_print_metrics("test ", &run->test_metrics);
    cli_print_metrics("valid ", &run->valid_metrics);
    if (!run->test && !run->valid) {
        cli_print_metrics("train ", &progress->train);
    }
    printf("training        %s, %zu %s", duration, progress->epoch,
           progress->epoch == 1 ? "epoch" : "epochs");
    if (isfinite(progress->examples_per_second) && isfinite(progress->gflops)) {
        printf(", %.0f examples/s, %.1f GFLOP/s", progress->examples_per_second, progress->gflops);
    }
    putchar('\n');
    if (run->training.patience > 0) {
        printf("best epoch      %zu\n", progress->best_epoch);
    }
    if (run->model_saved) {
        printf("model           %s\n", run->options->model_path);
    }
    return EXIT_CODE_DONE;
}

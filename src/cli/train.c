/* train.c: gemmlp train: data, network and trainer are made, the trainer runs, the model is saved
 * and measured. Data are opened in train_data.c, what the run says is in train_report.c. */
#include "cli/train.h"

#include <stdlib.h>

#include "cli/files.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "io/atomic_file.h"

/* Seconds between two looks at the trainer: what a bar needs to move smoothly. */
static const double slice = 0.1;

static bool make_model(struct train_run *run, int *code)
{
    const struct train_options *options = run->options;
    struct objective_options objective = options->objective;
    gemmlp_dataset_info info;
    gemmlp_error error;
    gemmlp_dataset_info_get(run->train, &info);
    objective.label_smoothing = cli_train_smoothing(options, info.task);
    if (!cli_network_options_build(run->command, &options->network, &objective, info.task, 0,
                                   &run->network, code)) {
        return false;
    }
    run->network.preprocess = options->preprocess;
    run->training = options->training;
    run->training.l1 = objective.l1;
    run->training.l2 = objective.l2;
    run->training.seed = options->network.seed;
    run->training.compute = cli_compute(&options->compute);
    if (gemmlp_model_create(&run->network, run->train, &run->model, &error) != GEMMLP_OK ||
        gemmlp_network_cost(gemmlp_model_network(run->model), &run->training, &run->cost, &error) !=
            GEMMLP_OK) {
        *code = cli_failed(run->command, &error);
        return false;
    }
    bool good = cli_class_weights(run->command, options->class_weights, run->model, run->train,
                                  &run->class_weights, code);
    run->training.class_weights = run->class_weights;
    return good;
}

/* A log that cannot be written is no reason to lose the training: it goes on, the exit code tells.
 */
static void log_event(struct train_run *run, bool (*event)(struct train_run *))
{
    if (run->log.stream && !event(run)) {
        cli_complain("%s: the log ends here, the run goes on", run->log.path);
        run->log_failed = true;
        fclose(run->log.stream);
        run->log.stream = NULL;
    }
}

double cli_train_seconds(const struct train_run *run)
{
    return cli_resume_seconds(run->options) + cli_clock() - run->started;
}

/* Whether it was saved. */
static bool checkpoint(struct train_run *run, struct progress_view *view)
{
    cli_progress_clear(view);
    const bool saved = cli_checkpoint_save(run);
    if (saved) {
        log_event(run, cli_train_log_checkpoint);
    }
    return saved;
}

static gemmlp_status run_trainer(struct train_run *run, gemmlp_error *error)
{
    struct progress_view view = cli_progress_begin(run->options->common.quiet, run->progress.step);
    gemmlp_status status = GEMMLP_OK;
    cli_checkpoint_begin(run);
    while (status == GEMMLP_OK && !run->progress.finished && !cli_signals_caught()) {
        status = gemmlp_trainer_run_until(run->trainer, run->next_step, slice, error);
        gemmlp_trainer_progress(run->trainer, &run->progress);
        if (status == GEMMLP_OK) {
            cli_progress_show(&view, &run->progress);
            if (run->progress.epoch_completed) {
                log_event(run, cli_train_log_epoch);
            }
            if (cli_checkpoint_due(run)) {
                checkpoint(run, &view);
            }
        }
    }
    run->signal = status == GEMMLP_OK && !run->progress.finished ? cli_signals_caught() : 0;
    if (status == GEMMLP_OK && run->options->checkpoint && run->saved_step != run->progress.step) {
        checkpoint(run, &view); /* the last one */
    }
    cli_progress_clear(&view);
    return status;
}

/* After a signal: with a checkpoint this is a pause, without one it is what it would have been
 * without a handler. */
static int stop(struct train_run *run)
{
    const char *name = cli_signal_name(run->signal);
    if (!run->options->checkpoint) {
        cli_signals_die(run->signal);
    }
    if (run->checkpoint_failed) {
        cli_complain("stopped by %s without a checkpoint at step %zu", name, run->progress.step);
        return EXIT_CODE_FAILED;
    }
    if (!run->options->common.quiet) {
        fprintf(stderr, "stopped by %s after a checkpoint at step %zu; --resume %s goes on\n", name,
                run->progress.step, run->options->checkpoint);
    }
    return EXIT_CODE_STOPPED;
}

/* A run that is resumed has its checkpoint, and need not begin before it stops; a new one goes on
 * to the first step and saves itself there. */
static bool stopped_early(const struct train_run *run, int *code)
{
    const int signal = cli_signals_caught();
    if (!signal || !run->options->from) {
        return false;
    }
    if (!run->options->common.quiet) {
        fprintf(stderr, "stopped by %s where it was; --resume %s goes on\n",
                cli_signal_name(signal), run->options->checkpoint);
    }
    *code = EXIT_CODE_STOPPED;
    return true;
}

static bool train(struct train_run *run, int *code)
{
    gemmlp_error error;
    if (!run->options->checkpoint) {
        cli_signals_catch(false); /* else since the beginning */
    }
    gemmlp_status status = run_trainer(run, &error);
    if (status == GEMMLP_OK) {
        return true;
    }
    *code = cli_failed(run->command, &error);
    run->diverged = status == GEMMLP_DIVERGED;
    return run->diverged; /* the last good parameters are there to be saved and measured */
}

static bool save(struct train_run *run)
{
    const char *path = run->options->model_path;
    gemmlp_error error;
    if (!path) {
        return true;
    }
    if (gemmlp_model_save(run->model, path, &error) != GEMMLP_OK) {
        cli_complain("%s", error.message);
        return false;
    }
    run->model_saved = true;
    if (run->diverged && run->progress.epoch > 0) {
        cli_complain("%s holds the parameters as they were after epoch %zu", path,
                     run->progress.epoch);
    } else if (run->diverged) {
        cli_complain("%s holds the initial parameters", path);
    }
    return true;
}

/* The trainer has measured the validation set, unless it went back to earlier parameters. */
static bool measure(struct train_run *run, int *code)
{
    gemmlp_error error;
    gemmlp_status status = GEMMLP_OK;
    run->valid_metrics = run->progress.valid;
    if (run->valid && (run->diverged || run->training.patience > 0)) {
        status = gemmlp_model_evaluate(run->model, run->valid, &run->training.compute,
                                       &run->valid_metrics, NULL, &error);
    }
    if (status == GEMMLP_OK && run->test) {
        status = gemmlp_model_evaluate(run->model, run->test, &run->training.compute,
                                       &run->test_metrics, NULL, &error);
    }
    if (status != GEMMLP_OK) {
        *code = cli_failed_input(run->command, &error);
    }
    return status == GEMMLP_OK;
}

/* Before anything is written, and before hours of training whose result could not be saved. */
static bool open_outputs(struct train_run *run, int *code)
{
    const struct train_options *options = run->options;
    const gemmlp_dataset *const sets[] = {run->train, run->valid, run->test};
    static const char *const names[] = {"--data", "--valid", "--test"};
    struct named_file files[3 + 3 * CLI_DATA_FILES] = {{"--model", options->model_path, true},
                                                       {"--log", options->log_path, true},
                                                       {"--config", options->config, false}};
    char *texts[3];
    size_t count = 3;
    for (size_t i = 0; i < 3; i++) {
        texts[i] = cli_files_of_data(names[i], sets[i], files, &count);
    }
    bool apart = cli_files_apart(run->command, files, count, code);
    for (size_t i = 0; i < 3; i++) {
        free(texts[i]);
    }
    if (!apart) {
        return false;
    }
    if (options->model_path) {
        gm_atomic_sweep(options->model_path);
    }
    if (options->model_path && !cli_file_writable(options->model_path)) {
        *code = EXIT_CODE_FAILED;
        return false;
    }
    return true;
}

/* Once everything else is good, for a log that is resumed loses its last lines. */
static bool open_log(struct train_run *run, int *code)
{
    const struct train_options *options = run->options;
    if (!cli_train_log_open(&run->log, options->log_path, options)) {
        *code = EXIT_CODE_FAILED;
        return false;
    }
    return true;
}

static bool resume_trainer(struct train_run *run, int *code)
{
    const bool allowed = run->options->allow_mismatch;
    gemmlp_error error;
    const gemmlp_status status =
        gemmlp_trainer_resume(run->model, run->train, run->valid, &run->training,
                              run->options->from, allowed, &run->trainer, &error);
    if (status == GEMMLP_MISMATCH) {
        *code = cli_usage(run->command, "%s; --allow-mismatch goes on all the same", error.message);
    } else if (status != GEMMLP_OK) {
        *code = cli_failed_input(run->command, &error);
    } else if (gemmlp_trainer_mismatch(run->trainer)[0]) {
        cli_complain("--allow-mismatch: %s", gemmlp_trainer_mismatch(run->trainer));
    }
    return status == GEMMLP_OK;
}

static bool make_trainer(struct train_run *run, int *code)
{
    gemmlp_error error;
    if (run->options->from) {
        if (!resume_trainer(run, code)) {
            return false;
        }
    } else if (gemmlp_trainer_create(run->model, run->train, run->valid, &run->training,
                                     &run->trainer, &error) != GEMMLP_OK) {
        *code = cli_failed(run->command, &error);
        return false;
    }
    gemmlp_trainer_progress(run->trainer, &run->progress);
    run->saved_step = run->options->from ? run->progress.step : SIZE_MAX;
    return true;
}

/* The end of the log, and the results. */
static int finish(struct train_run *run, int code, bool complete)
{
    run->wall_seconds = cli_train_seconds(run);
    log_event(run, cli_train_log_end);
    int printed = complete ? cli_train_results(run) : EXIT_CODE_DONE;
    code = code ? code : printed;
    const bool failed = run->log_failed || run->checkpoint_failed;
    return code ? code : failed ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}

static int execute(struct train_run *run)
{
    int code = EXIT_CODE_DONE;
    const struct train_options *options = run->options;
    if (options->checkpoint) {
        cli_signals_catch(true);
    }
    if (!cli_compute_open(run->command, &options->compute, &run->provider, &code) ||
        !cli_train_open_data(run, &code) || stopped_early(run, &code) || !make_model(run, &code) ||
        stopped_early(run, &code) || !open_outputs(run, &code) || !make_trainer(run, &code) ||
        stopped_early(run, &code) || !open_log(run, &code)) {
        return code;
    }
    if (!options->common.quiet) {
        cli_compute_remark(&options->compute, &run->provider);
        cli_train_say_start(run);
    }
    log_event(run, cli_train_log_start);
    if (!train(run, &code)) {
        return code;
    }
    if (run->signal) {
        code = stop(run);
        return finish(run, code, true);
    }
    /* Saved first: whatever fails from here on, the training is not lost. The code of a divergence
     * stands, unless its promise of a saved model could not be kept. */
    if (!save(run)) {
        code = EXIT_CODE_FAILED;
    }
    const int stopped_by = cli_signals_caught();
    if (stopped_by && !run->options->checkpoint) {
        cli_signals_die(
            stopped_by); /* the model is there; only what it would be measured on is not */
    }
    int measured = EXIT_CODE_DONE;
    bool complete = measure(run, &measured);
    code = code ? code : measured;
    return finish(run, code, complete);
}

int cli_run_train(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct train_options options;
    struct args args = {.command = command};
    struct train_run run = {.command = command,
                            .args = &args,
                            .options = &options,
                            .argc = argc,
                            .argv = argv,
                            .started = cli_clock()};
    if (cli_train_parse(&options, &args, argc, argv, &code)) {
        code = execute(&run);
        if (!cli_train_log_close(&run.log) && code == EXIT_CODE_DONE) {
            code = EXIT_CODE_FAILED;
        }
    }
    gemmlp_trainer_free(run.trainer);
    free(run.class_weights);
    cli_network_options_free(&run.network);
    cli_resume_close(&options);
    gemmlp_model_free(run.model);
    gemmlp_dataset_free(run.test);
    gemmlp_dataset_free(run.valid);
    gemmlp_dataset_free(run.train);
    cli_args_free(&args);
    return code;
}

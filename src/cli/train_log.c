/* train_log.c: --log RUN.jsonl: one event a line, appended and flushed one by one, so that a run
 * that was stopped leaves all it has done. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/log_mend.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/train.h"

static bool complain_about(const struct run_log *log)
{
    cli_complain("%s: %s", log->path, strerror(errno));
    return false;
}

bool cli_train_log_open(struct run_log *log, const char *path, const struct train_options *resumed)
{
    *log = (struct run_log){.path = path};
    if (!path) {
        return true;
    }
    log->stream = fopen(path, "a");
    return log->stream && cli_log_mend(log, resumed->from ? cli_resume_log(resumed, path) : -1,
                                       resumed->from)
               ? true
               : complain_about(log);
}

bool cli_train_log_close(struct run_log *log)
{
    FILE *stream = log->stream;
    log->stream = NULL;
    return !stream || fclose(stream) == 0 || complain_about(log);
}

static struct record begin_event(const char *event)
{
    struct record record = cli_record_begin();
    cli_record_text(&record, "event", event);
    return record;
}

/* Writes the line and frees the object. False: a message that names the file has been printed. */
static bool write_event(struct run_log *log, struct record *record)
{
    char *line = cli_record_line(record);
    if (!line) {
        cli_failed_memory(log->path);
        return false;
    }
    errno = 0;
    bool good = fprintf(log->stream, "%s\n", line) > 0 && fflush(log->stream) == 0;
    free(line);
    return good ? true : complain_about(log);
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
    gemmlp_training settings, *training = &settings;
    gemmlp_trainer_settings(run->trainer, &settings);
    struct record object = cli_record_begin();
    cli_record_text(&object, "optimizer", training->optimizer);
    cli_record_text(&object, "schedule", training->schedule);
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"lr", training->lr},
        {"momentum", training->momentum},
        {"beta2", training->beta2},
        {"epsilon", training->epsilon},
        {"l1", training->l1},
        {"l2", training->l2},
        {"weight_decay", training->weight_decay},
        {"clip_norm", training->clip_norm},
        {"warmup", training->warmup},
        {"schedule_factor", training->schedule_factor},
        {"schedule_epochs", training->schedule_epochs},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cli_record_real(&object, numbers[i].name, numbers[i].value);
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

/* Where the run is: relative paths of its command are seen from here. */
static void record_place(struct record *record)
{
    char host[256] = "", directory[4096];
    if (gethostname(host, sizeof host - 1) == 0) {
        cli_record_text(record, "host", host);
    }
    cli_record_text(record, "directory", getcwd(directory, sizeof directory));
    cli_record_text(record, "slurm_job_id", getenv("SLURM_JOB_ID"));
}

bool cli_train_log_start(struct train_run *run)
{
    struct record record = begin_event("run");
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
    record_place(&record);
    record_data(&record, "data", run->train);
    record_data(&record, "valid", run->valid);
    record_data(&record, "test", run->test);
    cli_record_text(&record, "valid_option", run->options->data.valid);
    record_network(&record, gemmlp_model_network(run->model));
    record_training(&record, run);
    cli_record_size(&record, "parameters", run->cost.parameters);
    cli_train_record_computation(&record, run);
    cli_record_text(&record, "cpu", machine.cpu);
    cli_record_text(&record, "instruction_set", machine.instruction_set);
    if (run->options->from) {
        char *origin = cli_checkpoint_origin(run->options->from);
        cli_record_json(&record, "resumed_from", origin ? cli_json_text(origin) : NULL);
        free(origin);
        cli_record_size(&record, "epoch", run->progress.epoch);
        cli_record_size(&record, "step", run->progress.step);
        const char *mismatch = gemmlp_trainer_mismatch(run->trainer);
        cli_record_text(&record, "mismatch", mismatch[0] ? mismatch : NULL);
    }
    return write_event(&run->log, &record);
}

bool cli_train_log_epoch(struct train_run *run)
{
    const gemmlp_progress *progress = &run->progress;
    struct record record = begin_event("epoch");
    cli_record_size(&record, "epoch", progress->epoch);
    cli_record_size(&record, "step", progress->step);
    cli_record_real(&record, "lr", progress->learning_rate);
    cli_record_metrics(&record, "train_", &progress->train);
    cli_record_metrics(&record, "valid_", &progress->valid);
    cli_record_real(&record, "examples_per_second", progress->examples_per_second);
    cli_record_real(&record, "gflops", progress->gflops);
    cli_record_real(&record, "train_seconds", progress->train_seconds);
    cli_record_real(&record, "seconds", cli_train_seconds(run));
    return write_event(&run->log, &record);
}

bool cli_train_log_checkpoint(struct train_run *run)
{
    struct record record = begin_event("checkpoint");
    cli_record_size(&record, "epoch", run->progress.epoch);
    cli_record_size(&record, "step", run->progress.step);
    cli_record_text(&record, "directory", run->options->checkpoint);
    cli_record_real(&record, "save_seconds", run->checkpoint_seconds);
    cli_record_real(&record, "seconds", cli_train_seconds(run));
    return write_event(&run->log, &record);
}

bool cli_train_log_end(struct train_run *run)
{
    struct record record = begin_event("end");
    cli_train_record_results(&record, run);
    return write_event(&run->log, &record);
}

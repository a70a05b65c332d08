/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c: tenon run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "text.h"
#include "threads.h"

/* An output that was asked for, or all of them without --output. */
typedef struct wanted {
    const char *file; /* NULL: not written */
    int index;        /* of the model's output */
    tn_tensor tensor; /* data is allocated here */
} wanted;

typedef struct run_job {
    const char *path, *mode, *json;
    threads_given threads;
    word_list inputs, outputs;
    tn_model *model;
    tn_tensor *tensors; /* [inputs.n], as loaded */
    tn_tensor *bound;   /* [n_bound] those that are inputs of the model */
    int n_bound;
    char **names; /* [inputs.n] */
    wanted *wanted;
    int n_wanted;
} run_job;

/* Of NAME=FILE. */
static const char *file_of(const char *item) { return strchr(item, '=') + 1; }

static bool has_tensor_ending(const char *file) {
    const char *dot = strrchr(file, '.');
    return dot && (strcmp(dot, ".npy") == 0 || strcmp(dot, ".pb") == 0);
}

/* NAME=FILE with FILE a .npy or .pb; returns 0 or the exit code. */
static int check_pairs(const word_list *list, const char *option_name) {
    for (int i = 0; i < list->n; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (!equals || equals == list->items[i] || !equals[1])
            return fail_usage("run", "--%s takes NAME=FILE, not \"%s\"", option_name,
                              list->items[i]);
        if (!has_tensor_ending(equals + 1))
            return fail_usage("run", "--%s takes a .npy or .pb file, not \"%s\"", option_name,
                              equals + 1);
        for (int j = 0; j < i; j++)
            if (strncmp(list->items[i], list->items[j], (size_t)(equals - list->items[i]) + 1) == 0)
                return fail_usage("run", "--%s %.*s is given twice", option_name,
                                  (int)(equals - list->items[i]), list->items[i]);
    }
    return EXIT_DONE;
}

static int parse(run_job *job, int argc, char **argv) {
    const char *items[1];
    word_list words = {.items = items};
    option threads[THREADS_ROWS];
    threads_rows(&job->threads, threads);
    const option options[] = {
        {"input", 'i', OPTION_LIST, "NAME=FILE", &job->inputs,
         "the tensor for an input; one for each (tenon info shows their names)"},
        {"output", 'o', OPTION_LIST, "NAME=FILE", &job->outputs,
         "where an output goes; default all are computed and none is written"},
        {"mode", 'm', OPTION_TEXT, "MODE", &job->mode,
         "fp32: optimised while loading, the default; reference: as it was trained (int8 is "
         "planned)"},
        threads[THREADS_ROW_THREADS],
        threads[THREADS_ROW_PIN],
        {"json", 0, OPTION_TEXT, "FILE", &job->json,
         "write names, types, shapes and ranges as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "run",
        .usage = "MODEL.onnx --input NAME=FILE... [--output NAME=FILE]...\n"
                 "                 [OPTION]...",
        .summary = "Runs a model once on tensors from files. FILE is a NumPy array (.npy) or an "
                   "ONNX TensorProto (.pb). The first dimension of each tensor is the batch.",
        .options = options,
        .notes = "Example:\n"
                 "  tenon run mnist-cnn.onnx --input images=x.npy --output scores=y.npy\n",
        .words = &words,
        .max_words = 1,
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (words.n == 0) return fail_usage("run", "which model? (MODEL.onnx is missing)");
    if (job->inputs.n == 0) return fail_usage("run", "on what? (--input NAME=FILE is missing)");
    job->path = words.items[0];
    code = check_pairs(&job->inputs, "input");
    if (code == EXIT_DONE) code = check_pairs(&job->outputs, "output");
    return code == EXIT_DONE ? OPTIONS_GO_ON : code;
}

/* Whether input k of the model is the one that a file was given for. */
static bool is_input(const run_job *job, int k, const tn_tensor *given, tn_tensor *input) {
    tn_model_describe_input(job->model, k, input);
    return strcmp(input->name, given->name) == 0;
}

/* Compares the shape. Memory is allocated for the whole batch next, so that this must be known: a
 * file of shape (2^40, 0) is small. What the model has made a constant while loading was compared
 * there. */
static bool check_input(run_job *job, int i) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(job->model, &info);
    const tn_tensor *given = &job->tensors[i];
    char wanted_text[160], given_text[160];
    for (int k = 0; k < info.n_inputs; k++) {
        tn_tensor input;
        if (!is_input(job, k, given, &input)) continue;
        bool fits = given->rank == input.rank && given->dtype == input.dtype;
        for (int d = 1; d < input.rank && fits; d++) fits = given->dims[d] == input.dims[d];
        if (!fits)
            fail("%s does not fit input \"%s\": it holds %s %s, the model takes %s %s",
                 file_of(job->inputs.items[i]), input.name, tn_dtype_name(given->dtype),
                 model_shape_text(given, false, given_text), tn_dtype_name(input.dtype),
                 model_shape_text(&input, true, wanted_text));
        job->bound[job->n_bound++] = *given;
        return fits;
    }
    return true;
}

static bool load_inputs(run_job *job) {
    tn_error error = {""};
    job->tensors = calloc((size_t)job->inputs.n, sizeof *job->tensors);
    job->bound = calloc((size_t)job->inputs.n, sizeof *job->bound);
    job->names = calloc((size_t)job->inputs.n, sizeof *job->names);
    if (!job->tensors || !job->bound || !job->names) {
        fail("out of memory");
        return false;
    }
    for (int i = 0; i < job->inputs.n; i++) {
        const char *item = job->inputs.items[i], *equals = strchr(item, '=');
        job->names[i] = strndup(item, (size_t)(equals - item));
        if (!job->names[i]) {
            fail("out of memory");
            return false;
        }
        if (tn_tensor_load(equals + 1, &job->tensors[i], &error) != TN_OK) {
            fail_error(&error);
            return false;
        }
        job->tensors[i].name = job->names[i];
    }
    return true;
}

static bool add_wanted(run_job *job, const char *item) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(job->model, &info);
    const char *equals = strchr(item, '=');
    size_t n = (size_t)(equals - item);
    char known[256] = "";
    for (int i = 0; i < info.n_outputs; i++) {
        tn_tensor output;
        tn_model_describe_output(job->model, i, &output);
        if (strlen(output.name) == n && strncmp(output.name, item, n) == 0) {
            job->wanted[job->n_wanted++] = (wanted){.file = equals + 1, .index = i};
            return output_is_writable(equals + 1);
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s\"%s\"", i ? ", " : "", output.name);
    }
    fail("%s has no output \"%.*s\" (it has %s)", job->path, (int)n, item, known);
    return false;
}

/* Nothing is written over what is read, or over what was just written. */
static bool check_outputs(const run_job *job) {
    if (!output_is_writable(job->json) || !output_is_apart(job->json, job->path, "the model"))
        return false;
    for (int i = 0; i < job->inputs.n; i++)
        if (!output_is_apart(job->json, file_of(job->inputs.items[i]), "an input")) return false;
    for (int i = 0; i < job->outputs.n; i++) {
        const char *file = file_of(job->outputs.items[i]);
        if (!output_is_apart(job->json, file, "an output, too") ||
            !output_is_apart(file, job->path, "the model"))
            return false;
        for (int j = 0; j < job->inputs.n; j++)
            if (!output_is_apart(file, file_of(job->inputs.items[j]), "an input")) return false;
        for (int j = 0; j < i; j++)
            if (!output_is_apart(file, file_of(job->outputs.items[j]), "another output, too"))
                return false;
    }
    return true;
}

static bool choose_outputs(run_job *job) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(job->model, &info);
    int n = job->outputs.n > 0 ? job->outputs.n : info.n_outputs;
    job->wanted = calloc((size_t)n, sizeof *job->wanted);
    if (!job->wanted) {
        fail("out of memory");
        return false;
    }
    for (int i = 0; i < job->outputs.n; i++)
        if (!add_wanted(job, job->outputs.items[i])) return false;
    for (int i = 0; i < info.n_outputs && job->outputs.n == 0; i++)
        job->wanted[job->n_wanted++] = (wanted){.index = i};
    return true;
}

static tn_status compute(run_job *job, tn_session *session, int64_t batch, tn_error *error) {
    tn_tensor *outputs = calloc((size_t)job->n_wanted, sizeof *outputs);
    tn_status status = outputs ? TN_OK : TN_ERR_MEMORY;
    if (status != TN_OK) snprintf(error->message, sizeof error->message, "out of memory");
    for (int i = 0; i < job->n_wanted && status == TN_OK; i++) {
        tn_tensor *t = &job->wanted[i].tensor;
        status = tn_session_output(session, job->wanted[i].index, batch, t, error);
        if (status != TN_OK) break;
        t->data = calloc(1, t->bytes ? t->bytes : 1);
        if (!t->data) {
            status = TN_ERR_MEMORY;
            snprintf(error->message, sizeof error->message, "out of memory");
        }
        outputs[i] = *t;
    }
    if (status == TN_OK)
        status = tn_session_run(session, job->bound, job->n_bound, outputs, job->n_wanted, error);
    free(outputs);
    return status;
}

/* Smallest, mean and largest element; NaN unless the tensor is float32 and not empty. */
static void summarise(const tn_tensor *t, double *least, double *mean, double *most) {
    *least = *mean = *most = NAN;
    size_t n = t->bytes / sizeof(float);
    if (t->dtype != TN_FLOAT32 || n == 0) return;
    const float *x = t->data;
    double sum = 0;
    *least = *most = x[0];
    for (size_t i = 0; i < n; i++) {
        if (x[i] < *least) *least = x[i];
        if (x[i] > *most) *most = x[i];
        sum += x[i];
    }
    *mean = sum / (double)n;
}

static json_t *describe(FILE *out, const wanted *w) {
    double least, mean, most;
    char shape[160], name[256];
    const tn_tensor *t = &w->tensor;
    summarise(t, &least, &mean, &most);
    say(out, "%s: %s %s", text_clean(name, sizeof name, t->name), tn_dtype_name(t->dtype),
        model_shape_text(t, false, shape));
    if (!isnan(mean)) say(out, ", %.6g to %.6g, mean %.6g", least, most, mean);
    if (w->file) say(out, ", written to %s", w->file);
    say(out, "\n");
    json_t *o = json_object();
    json_put_text(o, "name", t->name);
    json_put_text(o, "type", tn_dtype_name(t->dtype));
    json_put_shape(o, "shape", t);
    json_put_real(o, "min", least);
    json_put_real(o, "max", most);
    json_put_real(o, "mean", mean);
    json_put_text(o, "file", w->file);
    return o;
}

static int deliver(run_job *job, const tn_cpu_info *cpu, const tn_session *session, tn_mode mode) {
    tn_error error = {""};
    FILE *out = people_stream(job->json, false);
    json_t *results = json_object(), *outputs = json_array();
    json_put_model(results, job->path, job->model);
    json_put_text(results, "mode", model_mode_name(mode));
    json_put_text(results, "level", cpu->level);
    json_put_integer(results, "threads", tn_session_threads(session));
    json_put_bool(results, "pinned", tn_session_pinned(session));
    json_object_set_new(results, "outputs", outputs);
    model_announce(out, job->path, job->model, cpu, session, mode, (tn_pin)job->threads.pin);
    for (int i = 0; i < job->n_wanted; i++) {
        const wanted *w = &job->wanted[i];
        if (w->file && tn_tensor_save(w->file, &w->tensor, &error) != TN_OK) {
            json_decref(results);
            return fail_error(&error);
        }
        json_array_append_new(outputs, describe(out, w));
    }
    if (job->json) return json_write(results, job->json);
    json_decref(results);
    return EXIT_DONE;
}

static int run(run_job *job) {
    tn_error error = {""};
    tn_cpu_info cpu = TN_INIT(tn_cpu_info);
    tn_session *session = NULL;
    tn_session_options options = TN_INIT(tn_session_options);
    int code = model_choose_mode("run", job->mode, job->path, &options.mode);
    if (code != EXIT_DONE) return code;
    bool there = access(job->path, F_OK) == 0; /* if not, inputs are none of the user's worries */
    if (!check_outputs(job) || (there && !load_inputs(job)) ||
        !model_open_file(job->path, job->tensors, there ? job->inputs.n : 0, &job->model))
        return EXIT_FAILED;
    for (int i = 0; i < job->inputs.n; i++)
        if (!check_input(job, i)) return EXIT_FAILED;
    if (!choose_outputs(job)) return EXIT_FAILED;
    int64_t batch = 1;
    for (int i = job->n_bound; i-- > 0;)
        if (job->bound[i].rank > 0) batch = job->bound[i].dims[0];
    if (batch < 1)
        return fail("cannot run %s: the first dimension of input \"%s\" is 0", job->path,
                    job->bound[0].name);
    options.n_threads = (int)job->threads.n;
    options.pin = (tn_pin)job->threads.pin;
    options.max_batch = batch;
    code = EXIT_DONE;
    if (tn_cpu_inspect(&cpu, &error) != TN_OK ||
        tn_session_create(job->model, &options, &session, &error) != TN_OK ||
        compute(job, session, batch, &error) != TN_OK)
        code = fail_error(&error);
    if (code == EXIT_DONE) code = deliver(job, &cpu, session, options.mode);
    tn_session_free(session);
    return code;
}

static void release(run_job *job) {
    for (int i = 0; i < job->inputs.n && job->tensors; i++) tn_tensor_free(&job->tensors[i]);
    for (int i = 0; i < job->inputs.n && job->names; i++) free(job->names[i]);
    for (int i = 0; i < job->n_wanted; i++) free(job->wanted[i].tensor.data);
    free(job->tensors);
    free(job->bound);
    free(job->names);
    free(job->wanted);
    free(job->inputs.items);
    free(job->outputs.items);
    tn_model_free(job->model);
}

int cmd_run(int argc, char **argv) {
    run_job job = {.inputs.items = calloc((size_t)argc, sizeof(char *)),
                   .outputs.items = calloc((size_t)argc, sizeof(char *))};
    int code = EXIT_FAILED;
    if (!job.inputs.items || !job.outputs.items) {
        fail("out of memory");
    } else {
        code = parse(&job, argc, argv);
        if (code == OPTIONS_GO_ON) code = run(&job);
    }
    release(&job);
    return code;
}

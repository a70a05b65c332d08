/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_convert.c: tenon convert. */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command.h"
#include "convert_trial.h"
#include "json.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "shapes.h"
#include "text.h"
#include "threads.h"

static const char notes[] =
    "The file written is standard ONNX for ONNX Runtime, OpenVINO and others, and for\n"
    "tenon train. Tenon itself needs no converted file: --mode fp32, the default of\n"
    "inference, does the same while loading, and more. Times before are those of\n"
    "--mode reference, times after those of --mode fp32.\n"
    "\n"
    "Examples:\n"
    "  tenon convert mnist-cnn.onnx -o mnist-cnn-fp32.onnx\n"
    "  tenon convert resnet18.onnx -o small.onnx --json report.json\n";

typedef struct conversion {
    const char *path, *output, *json, *shapes;
    int precision;
    threads_given threads;
    tn_model *before, *after;
    convert_trial trial;
} conversion;

static const char *const precisions[] = {"fp32", "int8", NULL};

static int parse(conversion *c, int argc, char **argv) {
    option threads[THREADS_ROWS];
    word_list words = {.items = &c->path};
    threads_rows(&c->threads, threads);
    const option options[] = {
        {"output", 'o', OPTION_TEXT, "OUT.onnx", &c->output, "where to write the model"},
        {"precision", 'p', OPTION_CHOICE, "P", &c->precision, "fp32 (the default); int8 is planned",
         .choices = precisions},
        threads[THREADS_ROW_THREADS],
        shapes_row(&c->shapes),
        {"json", 0, OPTION_TEXT, "FILE", &c->json,
         "write the comparison as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "convert",
        .usage = "MODEL.onnx -o OUT.onnx [OPTION]...",
        .summary = "Writes a model that gives the same outputs, but for rounding, with less work, "
                   "and compares the two.",
        .options = options,
        .notes = notes,
        .words = &words,
        .max_words = 1,
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (words.n == 0) return fail_usage("convert", "which model? (MODEL.onnx is missing)");
    if (!c->output) return fail_usage("convert", "where to? (-o OUT.onnx is missing)");
    return OPTIONS_GO_ON;
}

/* ---- The comparison -------------------------------------------------------------------------- */

static int64_t file_bytes(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? (int64_t)file.st_size : 0;
}

static char *milliseconds(char text[static TEXT_NUMBER], double ms) {
    if (isnan(ms))
        snprintf(text, TEXT_NUMBER, "-");
    else
        snprintf(text, TEXT_NUMBER, ms < 10 ? "%.3f ms" : "%.1f ms", ms);
    return text;
}

static void print_row(FILE *out, const char *what, const char *before, const char *after) {
    say(out, "%-16s %14s %14s\n", what, before, after);
}

static void print_table(FILE *out, const conversion *c, const tn_model_info *before,
                        const tn_model_info *after) {
    char a[TEXT_NUMBER], b[TEXT_NUMBER], what[32];
    print_row(out, "", "before", "after");
    print_row(out, "nodes", text_count(a, before->n_nodes), text_count(b, after->n_nodes));
    print_row(out, "parameters", text_count(a, before->parameters),
              text_count(b, after->parameters));
    print_row(out, "MACs of a sample", text_count(a, before->macs), text_count(b, after->macs));
    print_row(out, "file", text_bytes(a, file_bytes(c->path)),
              text_bytes(b, file_bytes(c->output)));
    for (int i = 0; i < CONVERT_BATCHES; i++) {
        snprintf(what, sizeof what, "batch of %d", (int)convert_batches[i]);
        print_row(out, what, milliseconds(a, c->trial.before_ms[i]),
                  milliseconds(b, c->trial.after_ms[i]));
    }
    say(out, "outputs differ by %.1e of the largest number in them at most\n", c->trial.difference);
}

static json_t *describe(const tn_model *model, const tn_model_info *info, const char *path,
                        const double *ms) {
    json_t *o = json_object();
    json_put_integer(o, "nodes", info->n_nodes);
    json_put_integer(o, "parameters", info->parameters);
    json_put_integer(o, "macs", info->macs);
    json_put_integer(o, "file_bytes", file_bytes(path));
    char hex[65];
    tn_model_weights_sha256(model, hex);
    json_put_text(o, "weights_sha256", hex);
    for (int i = 0; i < CONVERT_BATCHES; i++) {
        char key[32];
        snprintf(key, sizeof key, "ms_batch_%d", (int)convert_batches[i]);
        json_put_real(o, key, ms[i]);
    }
    return o;
}

static int report(const conversion *c) {
    tn_model_info before = TN_INIT(tn_model_info), after = TN_INIT(tn_model_info);
    char name[512], to[512];
    tn_model_describe(c->before, &before);
    tn_model_describe(c->after, &after);
    FILE *out = people_stream(c->json, false);
    if (out) print_table(out, c, &before, &after);
    say(out, "wrote %s, from %s\n", text_clean(to, sizeof to, c->output),
        text_clean(name, sizeof name, c->path));
    if (!c->json) return EXIT_DONE;
    json_t *o = json_object();
    json_put_text(o, "model", c->path);
    json_put_text(o, "output", c->output);
    json_put_text(o, "precision", precisions[c->precision]);
    json_object_set_new(o, "before", describe(c->before, &before, c->path, c->trial.before_ms));
    json_object_set_new(o, "after", describe(c->after, &after, c->output, c->trial.after_ms));
    json_put_real(o, "largest_difference", c->trial.difference);
    return json_write(o, c->json);
}

/* ---- The work -------------------------------------------------------------------------------- */

static bool check_outputs(const conversion *c) {
    return output_is_writable(c->output) && output_is_apart(c->output, c->path, "the model") &&
           output_is_writable(c->json) && output_is_apart(c->json, c->path, "the model") &&
           output_is_apart(c->json, c->output, "the converted model");
}

/* What is measured is the model as it is read from the file that has been written. */
static int convert(conversion *c) {
    tn_error error = {""};
    tn_convert_options options = TN_INIT(tn_convert_options);
    tn_model *converted = NULL;
    options.precision = c->precision == 0 ? TN_PRECISION_FP32 : TN_PRECISION_INT8;
    if (!check_outputs(c) || !model_open_shaped(c->path, NULL, c->shapes, &c->before))
        return EXIT_FAILED;
    tn_status status = tn_model_convert(c->before, &options, &converted, &error);
    if (status == TN_OK) status = tn_model_save(converted, c->output, &error);
    tn_model_free(converted);
    if (status != TN_OK) return fail_error(&error);
    if (!model_open(c->output, NULL, &c->after) ||
        !convert_try(c->before, c->after, (int)c->threads.n, &c->trial))
        return EXIT_FAILED;
    return report(c);
}

int cmd_convert(int argc, char **argv) {
    conversion c = {0};
    int code = parse(&c, argc, argv);
    if (code == OPTIONS_GO_ON) code = convert(&c);
    tn_model_free(c.before);
    tn_model_free(c.after);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_info.c: tenon info. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "plan_table.h"
#include "shapes.h"
#include "text.h"

enum { COLUMNS = 6, CELL = 208 };

typedef struct row {
    char cell[COLUMNS][CELL];
} row;

static const bool right_aligned[COLUMNS] = {false, false, false, true, true, false};

static void fill_row(const tn_model *model, int i, row *r) {
    tn_node_info n = TN_INIT(tn_node_info);
    tn_model_describe_node(model, i, &n);
    char shape[160];
    text_clean(r->cell[0], CELL, n.name);
    text_clean(r->cell[1], CELL, n.op);
    text_clean(r->cell[2], CELL, model_shape_text(&n.output, true, shape));
    text_count(r->cell[3], n.parameters);
    text_count(r->cell[4], n.macs);
    text_clean(r->cell[5], CELL, n.attributes);
}

static int width_of(const char *text) {
    int columns = 0;
    for (; *text; text++) columns += (*text & 0xc0) != 0x80;
    return columns;
}

static void print_row(FILE *out, const row *r, const int *widths) {
    for (int c = 0; c < COLUMNS; c++) {
        int pad = widths[c] - width_of(r->cell[c]);
        if (right_aligned[c]) say(out, "%*s", pad, "");
        say(out, "%s", r->cell[c]);
        if (c == COLUMNS - 1) break;
        say(out, "%*s", 2 + (right_aligned[c] ? 0 : pad), "");
    }
    say(out, "\n");
}

static bool print_layers(FILE *out, const tn_model *model, const tn_model_info *info) {
    int n = info->n_nodes + 2;
    row *rows = calloc((size_t)n, sizeof *rows);
    if (!rows) {
        fail("out of memory");
        return false;
    }
    rows[0] = (row){{"layer", "operator", "output", "parameters", "MACs", "attributes"}};
    for (int i = 0; i < info->n_nodes; i++) fill_row(model, i, &rows[1 + i]);
    row *total = &rows[n - 1];
    strcpy(total->cell[0], "total");
    text_count(total->cell[3], info->parameters);
    text_count(total->cell[4], info->macs);
    int widths[COLUMNS] = {0};
    for (int i = 0; i < n; i++)
        for (int c = 0; c < COLUMNS; c++)
            if (width_of(rows[i].cell[c]) > widths[c]) widths[c] = width_of(rows[i].cell[c]);
    for (int i = 0; i < n; i++) print_row(out, &rows[i], widths);
    free(rows);
    return true;
}

static void print_tensor(FILE *out, const char *kind, const tn_tensor *tensor) {
    char shape[160], name[256];
    say(out, "%-8s %s, %s %s\n", kind, text_clean(name, sizeof name, tensor->name),
        tn_dtype_name(tensor->dtype), model_shape_text(tensor, true, shape));
}

static void print_classes(FILE *out, const tn_model_info *info) {
    if (info->n_classes <= 0 || !info->class_names) return;
    enum { SHOWN = 20 };
    char name[128];
    say(out, "classes  ");
    for (int i = 0; i < info->n_classes && i < SHOWN; i++)
        say(out, "%s%s", i ? ", " : "", text_clean(name, sizeof name, info->class_names[i]));
    if (info->n_classes > SHOWN) say(out, ", ... (%d)", info->n_classes);
    say(out, "\n");
}

static void print_parameters(FILE *out, const tn_model *model, int n) {
    tn_tensor parameter;
    char name[256], shape[160];
    for (int i = 0; i < n; i++) {
        tn_model_describe_parameter(model, i, &parameter);
        say(out, "%-24s %s\n", text_clean(name, sizeof name, parameter.name),
            model_shape_text(&parameter, false, shape));
    }
}

static bool print_info(FILE *out, const char *path, const tn_model *model,
                       const tn_plan_report *plan, bool parameters) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    char name[512], file[1024];
    text_clean(file, sizeof file, path);
    if (strcmp(file, text_clean(name, sizeof name, info.name)) == 0)
        say(out, "%s, a built-in network before training", name);
    else
        say(out, "%s: %s", file, name);
    if (info.opset > 0) say(out, ", ONNX opset %d", info.opset);
    say(out, "%s\n\n", info.quantised ? ", quantised" : "");
    tn_tensor tensor;
    for (int i = 0; i < info.n_inputs; i++) {
        tn_model_describe_input(model, i, &tensor);
        print_tensor(out, "input", &tensor);
    }
    for (int i = 0; i < info.n_outputs; i++) {
        tn_model_describe_output(model, i, &tensor);
        print_tensor(out, "output", &tensor);
    }
    print_classes(out, &info);
    char hex[65];
    tn_model_weights_sha256(model, hex);
    say(out, "weights  sha256 %s\n\n", hex);
    if (parameters) {
        print_parameters(out, model, info.n_parameter_tensors);
        return true;
    }
    return plan ? plan_table_print(out, plan) : print_layers(out, model, &info);
}

static json_t *tensor_json(const tn_tensor *tensor) {
    json_t *o = json_object();
    json_put_text(o, "name", tensor->name);
    json_put_text(o, "type", tn_dtype_name(tensor->dtype));
    json_put_shape(o, "shape", tensor);
    return o;
}

static json_t *parameters_json(const tn_model *model, int n) {
    json_t *parameters = json_array();
    tn_tensor parameter;
    for (int i = 0; i < n; i++) {
        tn_model_describe_parameter(model, i, &parameter);
        json_array_append_new(parameters, tensor_json(&parameter));
    }
    return parameters;
}

static json_t *layers_json(const tn_model *model, int n) {
    json_t *layers = json_array();
    for (int i = 0; i < n; i++) {
        tn_node_info node = TN_INIT(tn_node_info);
        tn_model_describe_node(model, i, &node);
        json_t *o = json_object();
        json_put_text(o, "name", node.name);
        json_put_text(o, "operator", node.op);
        json_put_text(o, "attributes", node.attributes);
        json_put_shape(o, "shape", &node.output);
        json_put_integer(o, "parameters", node.parameters);
        json_put_integer(o, "macs", node.macs);
        json_array_append_new(layers, o);
    }
    return layers;
}

static int write_json(const char *name, const tn_model *model, const tn_plan_report *plan,
                      const char *path) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    json_t *o = json_object(), *inputs = json_array(), *outputs = json_array();
    json_t *classes = json_array();
    tn_tensor tensor;
    json_put_model(o, name, model);
    json_put_integer(o, "macs", info.macs);
    json_put_integer(o, "opset", info.opset);
    json_put_bool(o, "quantised", info.quantised);
    for (int i = 0; i < info.n_inputs; i++) {
        tn_model_describe_input(model, i, &tensor);
        json_array_append_new(inputs, tensor_json(&tensor));
    }
    for (int i = 0; i < info.n_outputs; i++) {
        tn_model_describe_output(model, i, &tensor);
        json_array_append_new(outputs, tensor_json(&tensor));
    }
    for (int i = 0; i < info.n_classes && info.class_names; i++) {
        char class_name[1024];
        text_clean(class_name, sizeof class_name, info.class_names[i]);
        json_array_append_new(classes, json_string(class_name));
    }
    json_object_set_new(o, "inputs", inputs);
    json_object_set_new(o, "outputs", outputs);
    json_object_set_new(o, "classes", classes);
    json_object_set_new(o, "layers", layers_json(model, info.n_nodes));
    json_object_set_new(o, "parameter_tensors", parameters_json(model, info.n_parameter_tensors));
    if (plan) json_object_set_new(o, "plan", plan_table_json(plan));
    return json_write(o, path);
}

/* What the command line says. */
typedef struct info_words {
    const char *json, *tuning, *shapes;
    bool plan, train, parameters;
    int64_t batch_size, n_threads;
} info_words;

static int check_words(const info_words *words) {
    const char *name = words->train        ? "train"
                       : words->batch_size ? "batch-size"
                       : words->n_threads  ? "threads"
                       : words->tuning     ? "tuning"
                                           : NULL;
    if (words->tuning && words->plan && !words->train)
        return fail_usage("info", "--tuning is about the plan of training: add --train");
    if (words->plan && words->parameters)
        return fail_usage("info", "either --plan or --parameters, not both");
    if (words->plan || !name) return OPTIONS_GO_ON;
    return fail_usage("info", "--%s is about the plan: add --plan", name);
}

static int parse(info_words *given, word_list *words, int argc, char **argv) {
    const option options[] = {
        {"parameters", 0, OPTION_FLAG, NULL, &given->parameters,
         "list the parameters by name, instead of the layers"},
        {"plan", 0, OPTION_FLAG, NULL, &given->plan,
         "show how it is run: segments, kernels, memory, expected and measured time"},
        {"train", 0, OPTION_FLAG, NULL, &given->train, "with --plan: of training, not inference"},
        {"batch-size", 'b', OPTION_COUNT, "N", &given->batch_size,
         "with --plan: images at a time; default 64, or the recipe's for training", 1, 1 << 20},
        {"threads", 't', OPTION_COUNT, "N", &given->n_threads,
         "with --plan: default one per physical core at hand", 1, 1024},
        {"tuning", 0, OPTION_TEXT, "FILE", &given->tuning,
         "with --plan --train: choices of tenon bench --tune"},
        shapes_row(&given->shapes),
        {"json", 0, OPTION_TEXT, "FILE", &given->json,
         "write the same as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "info",
        .usage = "MODEL [OPTION]...",
        .summary = "Prints the layers of a model, with shapes (N is the batch), parameters and "
                   "multiply-accumulates (MACs) of one sample.",
        .options = options,
        .notes = "MODEL is an ONNX file or the name of a built-in network (mnist-cnn,\n"
                 "lenet, mlp, resnet20, vgg-small, tiny-cnn).\n\n"
                 "Examples:\n"
                 "  tenon info lenet\n"
                 "  tenon info mnist-cnn.onnx --json -\n"
                 "  tenon info mnist-cnn --plan --train --threads 1\n",
        .words = words,
        .max_words = 1,
    };
    int code = options_parse(&line, argc, argv);
    if (code == OPTIONS_GO_ON && words->n == 0)
        code = fail_usage("info", "which model? (MODEL is missing)");
    return code == OPTIONS_GO_ON ? check_words(given) : code;
}

static bool make_plan(const info_words *words, const tn_model *model, tn_plan_report **plan) {
    tn_plan_report_options options = TN_INIT(tn_plan_report_options);
    tn_tuning *tuning = NULL;
    tn_error error;
    if (!words->plan) return true;
    if (words->tuning && tn_tuning_load(words->tuning, &tuning, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    options.tuning = tuning;
    options.training = words->train;
    options.batch_size = words->batch_size;
    options.n_threads = (int)words->n_threads;
    tn_status status = tn_plan_report_create(model, &options, plan, &error);
    tn_tuning_free(tuning);
    return status == TN_OK || fail_error(&error) == EXIT_DONE;
}

int cmd_info(int argc, char **argv) {
    info_words given = {0};
    const char *path[1];
    word_list words = {.items = path};
    int code = parse(&given, &words, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (!output_is_writable(given.json) || !output_is_apart(given.json, path[0], "the model") ||
        !output_is_apart(given.json, given.tuning, "the tuning"))
        return EXIT_FAILED;
    tn_model *model = NULL;
    tn_plan_report *plan = NULL;
    tn_model_options defaults = TN_INIT(tn_model_options);
    if (!model_open_shaped(path[0], &defaults, given.shapes, &model)) return EXIT_FAILED;
    code = EXIT_FAILED;
    if (make_plan(&given, model, &plan) &&
        print_info(people_stream(given.json, false), path[0], model, plan, given.parameters))
        code = given.json ? write_json(path[0], model, plan, given.json) : EXIT_DONE;
    tn_plan_report_free(plan);
    tn_model_free(model);
    return code;
}

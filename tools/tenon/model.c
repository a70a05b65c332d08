/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "shapes.h"
#include "text.h"
#include "threads.h"

bool model_is_builtin(const char *name) {
    for (const char *const *builtin = tn_model_builtin_names(); *builtin; builtin++)
        if (strcmp(*builtin, name) == 0) return true;
    return false;
}

static bool looks_like_file(const char *name) {
    size_t n = strlen(name);
    return strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".onnx") == 0) ||
           access(name, F_OK) == 0;
}

static void fail_unknown_name(const char *name) {
    char known[256] = "";
    for (const char *const *builtin = tn_model_builtin_names(); *builtin; builtin++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", *builtin);
    }
    const char *nearest = text_nearest(name, tn_model_builtin_names(), sizeof(char *));
    if (nearest)
        fail("no model \"%s\": it is neither a file nor built in (did you mean %s?)", name,
             nearest);
    else
        fail("no model \"%s\": it is neither a file nor built in (built in are %s)", name, known);
}

bool model_open_file(const char *name, const tn_tensor *inputs, int n_inputs, tn_model **model) {
    tn_error error = {""};
    tn_model_load_options options = TN_INIT(tn_model_load_options);
    options.inputs = inputs;
    options.n_inputs = n_inputs;
    if (model_is_builtin(name) && access(name, F_OK) != 0) {
        fail("%s is a built-in network without trained weights: this takes an ONNX file (make one "
             "with: tenon train %s)",
             name, name);
        return false;
    }
    if (!looks_like_file(name)) {
        fail("cannot read %s: no such file", name);
        return false;
    }
    if (tn_model_load_with(name, &options, model, &error) == TN_OK) return true;
    return fail_error(&error) == EXIT_DONE;
}

bool model_open_shaped(const char *name, const tn_model_options *options, const char *shapes,
                       tn_model **model) {
    tn_error error = {""};
    tn_tensor *inputs = NULL;
    char *names = NULL;
    int n_inputs = 0;
    bool done = false;
    if (options && model_is_builtin(name)) {
        if (shapes) return fail("--shape is for models from files") == EXIT_DONE;
        if (tn_model_build(name, options, model, &error) == TN_OK) return true;
        return fail_error(&error) == EXIT_DONE;
    }
    if (options && !looks_like_file(name))
        fail_unknown_name(name);
    else if (shapes_parse(shapes, &inputs, &n_inputs, &names))
        done = model_open_file(name, inputs, n_inputs, model);
    free(inputs);
    free(names);
    return done;
}

bool model_open(const char *name, const tn_model_options *options, tn_model **model) {
    return model_open_shaped(name, options, NULL, model);
}

const char *model_mode_name(tn_mode mode) {
    return mode == TN_MODE_REFERENCE ? "reference" : "fp32";
}

int model_choose_mode(const char *verb, const char *text, const char *path, tn_mode *mode) {
    static const char *const known[] = {"reference", "fp32", "int8", NULL};
    *mode = text && strcmp(text, "reference") == 0 ? TN_MODE_REFERENCE : TN_MODE_FP32;
    if (!text || strcmp(text, model_mode_name(*mode)) == 0) return EXIT_DONE;
    if (strcmp(text, "pytorch") == 0)
        return fail_usage(verb, "--mode pytorch is called --mode reference here: the model as it "
                                "was trained, run by Tenon");
    if (strcmp(text, "int8") == 0) {
        size_t n = strlen(path);
        int stem = (int)(n > 5 && strcmp(path + n - 5, ".onnx") == 0 ? n - 5 : n);
        return fail("--mode int8 needs a quantised model; make one with: tenon convert %s -o "
                    "%.*s-int8.onnx --precision int8 --calibrate mnist (quantising is planned, not "
                    "in this version)",
                    path, stem, path);
    }
    const char *nearest = text_nearest(text, known, sizeof known[0]);
    if (nearest) return fail_usage(verb, "unknown mode \"%s\" (did you mean %s?)", text, nearest);
    return fail_usage(verb, "unknown mode \"%s\": --mode takes reference or fp32", text);
}

void model_announce(FILE *out, const char *path, const tn_model *model, const tn_cpu_info *cpu,
                    const tn_session *session, tn_mode mode, tn_pin pin) {
    if (!out) return;
    int n_threads = tn_session_threads(session);
    bool pinned = tn_session_pinned(session);
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    char count[TEXT_NUMBER], name[512], why[160];
    say(out, "model     %s (%s parameters), mode %s\n", text_clean(name, sizeof name, path),
        text_count(count, info.parameters), model_mode_name(mode));
    say(out, "cpu       %s kernels, %d thread%s", cpu->level, n_threads, n_threads == 1 ? "" : "s");
    if (n_threads != cpu->n_threads)
        say(out, " as asked for (the core budget is %d)\n", cpu->n_threads);
    else
        say(out, ": %s\n", cpu->reason);
    if (cpu->allowed_threads > cpu->allowed_cores) {
        say(out, "          ");
        text_wrap(out, cpu->advice, 10, 90);
    }
    if (n_threads > 1) {
        bool wanted = tn_cpu_pins(n_threads, pin, why, sizeof why);
        say(out, "          ");
        threads_say_pinning(out, 10, pinned, wanted && !pinned ? "the system refused" : why);
    }
}

char *model_shape_text(const tn_tensor *tensor, bool any_batch, char text[static 160]) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < tensor->rank && used < 130; i++) {
        if (i == 0 && any_batch)
            used += (size_t)snprintf(text, 160, "N");
        else
            used += (size_t)snprintf(text + used, 160 - used, "%s%" PRId64, i ? "x" : "",
                                     tensor->dims[i]);
    }
    if (tensor->rank == 0) snprintf(text, 160, "scalar");
    return text;
}

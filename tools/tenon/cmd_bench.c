/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bench.c: tenon bench: the command line, and the model to measure. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"
#include "command.h"
#include "data_options.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "shapes.h"

static const char notes[] =
    "MODEL is an ONNX file or the name of a built-in network (mnist-cnn,\n"
    "lenet, mlp, resnet20, vgg-small, tiny-cnn).\n\n"
    "Without --tune, inference is timed in the modes reference and fp32, by one\n"
    "request at a time on all threads (latency) and by one on each (throughput),\n"
    "taking turns, for --seconds altogether.\n\n"
    "  tenon bench mnist-cnn.onnx\n"
    "  tenon bench resnet20 --batch-size 64 --hint throughput --json speed.json\n\n"
    "--tune plans a step of training with each of the ways to compute each pass\n"
    "of a convolution, runs them in turn, and keeps the fastest; what wins by\n"
    "less than noise stays as it is. Train with the file that it writes:\n\n"
    "  tenon bench resnet20 --tune -o resnet20.tuning.json\n"
    "  tenon train resnet20 --tuning resnet20.tuning.json\n";

static int parse(bench *job, word_list *words, int argc, char **argv) {
    const option options[] = {{"tune", 0, OPTION_FLAG, NULL, &job->tune,
                               "which way of computing each convolution is the fastest here?"},
                              {"hint", 0, OPTION_CHOICE, "HINT", &job->hint,
                               "measure latency or throughput only; default both",
                               .choices = bench_hint_names},
                              {"data", 'd', OPTION_TEXT, "DATA", &job->data_name,
                               "take the test images; a built-in network is made for these. "
                               "Default noise, for a built-in "
                               "network of 28x28 in grey"},
                              {"batch-size", 'b', OPTION_COUNT, "N", &job->batch_size,
                               "images at a time; default 1, for --tune the recipe", 1, 1 << 20},
                              {"threads", 't', OPTION_COUNT, "N", &job->n_threads,
                               "default one per physical core at hand (see tenon cpu)", 1, 1024},
                              {"seconds", 0, OPTION_REAL, "X", &job->seconds,
                               "how long to measure; default 10", 0, 86400, .above_min = true},
                              {"output", 'o', OPTION_TEXT, "FILE", &job->output,
                               "where --tune writes its choices; default nowhere"},
                              shapes_row(&job->shapes),
                              {"json", 0, OPTION_TEXT, "FILE", &job->json,
                               "write the results as JSON; - is standard output"},
                              {NULL}};
    const command_line line = {
        .verb = "bench",
        .usage = "MODEL [OPTION]...",
        .summary = "Measures a model on this machine.",
        .options = options,
        .notes = notes,
        .words = words,
        .max_words = 1,
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (words->n == 0) return fail_usage("bench", "which model? (MODEL is missing)");
    if (job->tune && job->hint >= 0)
        return fail_usage("bench", "--hint is about inference, --tune about training");
    if (!job->tune && job->output)
        return fail_usage("bench", "--output is what --tune writes (add --tune, or --json FILE)");
    return OPTIONS_GO_ON;
}

/* A network is made for the data: the shape of its images and the classes; the numbers do not
 * matter. */
static void adopt_data(const bench *job, tn_model_options *options) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    if (!job->data) return;
    tn_dataset_describe(job->data, &info);
    options->channels = info.channels;
    options->height = info.height;
    options->width = info.width;
    options->n_classes = info.n_classes;
}

/* Pictures are brought to the size of a model from a file. */
static bool open_model(bench *job) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_error error;
    bool builtin = model_is_builtin(job->model_name);
    if (job->tune && job->data_name && !builtin)
        return fail("%s has a size of its own (leave out --data)", job->model_name) == EXIT_DONE;
    job->open = TN_INIT(tn_dataset_options);
    if (!builtin) {
        if (!model_open_shaped(job->model_name, &options, job->shapes, &job->model)) return false;
        data_options_suit(&job->open, job->model);
    }
    if (job->data_name &&
        tn_dataset_open(job->data_name, TN_TEST, &job->open, &job->data, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    adopt_data(job, &options);
    return !builtin || model_open(job->model_name, &options, &job->model);
}

static bool check_outputs(const bench *job) {
    return output_is_writable(job->output) && output_is_writable(job->json) &&
           output_is_apart(job->output, job->model_name, "the model") &&
           output_is_apart(job->json, job->model_name, "the model") &&
           output_is_apart(job->json, job->output, "the output, too");
}

int cmd_bench(int argc, char **argv) {
    bench job = {.hint = -1};
    const char *name[1];
    word_list words = {.items = name};
    tn_error error;
    int code = parse(&job, &words, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    job.model_name = name[0];
    job.cpu = TN_INIT(tn_cpu_info);
    job.out = people_stream(job.json, false);
    if (tn_cpu_inspect(&job.cpu, &error) != TN_OK) return fail_error(&error);
    code = EXIT_FAILED;
    if (check_outputs(&job) && open_model(&job))
        code = job.tune ? bench_tune(&job) : bench_speed(&job);
    tn_model_free(job.model);
    tn_dataset_free(job.data);
    return code;
}

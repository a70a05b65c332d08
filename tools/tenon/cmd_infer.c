/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_infer.c: tenon infer. */
#include <stdlib.h>
#include <sys/stat.h>

#include "command.h"
#include "data_options.h"
#include "infer_data.h"
#include "infer_images.h"
#include "json.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "pixel_options.h"
#include "shapes.h"
#include "threads.h"

static const char notes[] =
    "Without DATA and images, the model classifies the test images of mnist. Images\n"
    "that are not of the model's size are resized; colour and grey are converted.\n"
    "\n"
    "Examples:\n"
    "  tenon infer mnist-cnn.onnx\n"
    "  tenon infer mnist-cnn.onnx 7.png 3.png\n"
    "  tenon infer mnist-cnn.onnx --invert scan.png       dark strokes on light paper\n"
    "  tenon infer resnet18.onnx cat.jpg --classes imagenet.txt \\\n"
    "      --resize-shorter 256 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225\n"
    "  tenon infer mnist-cnn.onnx 7.png --repeat 1000\n"
    "  tenon infer fashion.onnx --data fashion-mnist --json results.json\n"
    "  tenon infer mnist-cnn.onnx --confusion --mistakes mistakes.png\n";

typedef struct arguments {
    const char *path, *mode, *data, *json, *mistakes, *shapes;
    int64_t batch_size, n_mistakes, top, repeat;
    pixel_words pixels;
    threads_given threads;
    bool invert, draw, no_draw, confusion;
    data_words words;
    tn_dataset_options open;
} arguments;

static int parse(arguments *a, word_list *words, int argc, char **argv) {
    option pictures[DATA_ROWS], threads[THREADS_ROWS], pixels[PIXEL_ROWS];
    pixel_options_rows(&a->pixels, pixels);
    threads_rows(&a->threads, threads);
    data_options_rows(&a->words, pictures);
    const option options[] = {
        {"mode", 'm', OPTION_TEXT, "MODE", &a->mode,
         "fp32: optimised while loading, the default; reference: as it was trained (int8 is "
         "planned)"},
        {"data", 'd', OPTION_TEXT, "DATA", &a->data,
         "classify the test images of mnist, fashion-mnist, cifar-10, cifar-100, or a directory: "
         "IDX files, CIFAR's files, or a folder of pictures for each class"},
        pictures[DATA_ROW_FIT],
        pictures[DATA_ROW_SKIP_BAD],
        pixels[0],
        pixels[1],
        pixels[2],
        pixels[3],
        pixels[4],
        pixels[5],
        {"top", 0, OPTION_COUNT, "N", &a->top,
         "most probable classes to name for each image; default 2, of more than 20 classes 5", 1,
         IMAGES_MOST_TOP},
        {"repeat", 0, OPTION_COUNT, "N", &a->repeat,
         "run images N times more, after warming up, and print percentiles of the latency", 1,
         1000000},
        {"batch-size", 'b', OPTION_COUNT, "N", &a->batch_size,
         "images per run of the model; default 64", 1, 1 << 20},
        threads[THREADS_ROW_THREADS],
        threads[THREADS_ROW_PIN],
        {"invert", 0, OPTION_FLAG, NULL, &a->invert,
         "swap dark and light in the images: MNIST has light strokes on dark ground"},
        {"draw", 0, OPTION_FLAG, NULL, &a->draw,
         "draw the images; default on a terminal, up to 12 images"},
        {"no-draw", 0, OPTION_FLAG, NULL, &a->no_draw, "print a line per image"},
        {"confusion", 0, OPTION_FLAG, NULL, &a->confusion,
         "print how often each class was taken for which"},
        {"mistakes", 0, OPTION_TEXT, "FILE.png", &a->mistakes,
         "draw the worst mistakes on one sheet"},
        {"mistakes-count", 0, OPTION_COUNT, "N", &a->n_mistakes, "on the sheet; default 64", 1,
         1000},
        shapes_row(&a->shapes),
        {"json", 0, OPTION_TEXT, "FILE", &a->json,
         "write the results as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "infer",
        .usage = "MODEL.onnx [--data DATA | IMAGE...] [OPTION]...",
        .summary = "Classifies a data set's test images and reports the accuracy, or PNG and JPEG "
                   "images and prints what is on each.",
        .options = options,
        .notes = notes,
        .words = words,
        .max_words = argc,
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (words->n == 0) return fail_usage("infer", "which model? (MODEL.onnx is missing)");
    if (words->n > 1 && a->data) return fail_usage("infer", "either --data or images, not both");
    if (a->draw && a->no_draw) return fail_usage("infer", "either --draw or --no-draw, not both");
    if ((a->confusion || a->mistakes) && words->n > 1)
        return fail_usage("infer", "--%s is for data sets, not for images",
                          a->confusion ? "confusion" : "mistakes");
    if ((a->top || a->repeat || a->pixels.resize_shorter) && words->n == 1)
        return fail_usage("infer", "--%s is for images%s",
                          a->top      ? "top"
                          : a->repeat ? "repeat"
                                      : "resize-shorter",
                          a->repeat ? " (of a data set: tenon bench)" : "");
    if (a->words.skip_bad && words->n > 1)
        return fail_usage("infer", "--skip-bad is for data sets, not for images");
    if (a->n_mistakes && !a->mistakes)
        return fail_usage("infer", "--mistakes-count needs --mistakes FILE.png");
    if ((a->invert || a->draw) && words->n == 1)
        return fail_usage("infer", "--%s is for images", a->invert ? "invert" : "draw");
    a->path = words->items[0];
    return data_options_parse("infer", &a->words, &a->open);
}

/* The result of either kind, common part. */
static json_t *new_results(const arguments *a, const tn_model *model, const tn_session *session,
                           tn_mode mode, const tn_cpu_info *cpu) {
    json_t *o = json_object();
    if (a->json) json_put_model(o, a->path, model); /* takes a hash of all weights */
    json_put_text(o, "mode", model_mode_name(mode));
    json_put_text(o, "level", cpu->level);
    json_put_integer(o, "threads", tn_session_threads(session));
    json_put_bool(o, "pinned", tn_session_pinned(session));
    json_put_integer(o, "batch_size", a->batch_size);
    return o;
}

/* Without DATA and images: MNIST, if the model takes such images. */
static int choose_data(arguments *a, const tn_model *model, int n_images) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    if (info.height == 0)
        return fail("%s does not classify images (try tenon run, which takes tensors)", a->path);
    if (a->data || n_images > 0) return EXIT_DONE;
    if (info.height != 28 || info.width != 28 || info.channels != 1)
        return fail_usage("infer", "what should %s classify? Give --data DATA or images", a->path);
    a->data = "mnist";
    return EXIT_DONE;
}

/* The results must not replace what they are about, nor each other. */
static bool check_outputs(const arguments *a, const char *const *files, int n_files) {
    if (!output_is_writable(a->json) || !output_is_apart(a->json, a->path, "the model") ||
        !output_is_writable(a->mistakes) || !output_is_apart(a->mistakes, a->path, "the model") ||
        !output_is_apart(a->json, a->mistakes, "the sheet of mistakes, too"))
        return false;
    for (int i = 0; i < n_files; i++)
        if (!output_is_apart(a->json, files[i], "one of the images")) return false;
    return true;
}

/* Each would fail by itself as an image, without a word on what was meant. */
static bool check_images(const char *const *files, int n_files) {
    struct stat file;
    for (int i = 0; i < n_files; i++)
        if (stat(files[i], &file) == 0 && S_ISDIR(file.st_mode)) {
            fail("%s is a directory, not an image (of a data set: --data %s)", files[i], files[i]);
            return false;
        }
    return true;
}

static int choose_top(const arguments *a, const tn_model *model) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    return a->top ? (int)a->top : info.n_classes > 20 ? 5 : 2;
}

static int infer(arguments *a, tn_model *model, const char *const *files, int n_files) {
    tn_error error = {""};
    tn_cpu_info cpu = TN_INIT(tn_cpu_info);
    tn_session *session = NULL;
    tn_session_options options = TN_INIT(tn_session_options);
    int code = model_choose_mode("infer", a->mode, a->path, &options.mode);
    if (code == EXIT_DONE) code = choose_data(a, model, n_files);
    if (code == EXIT_DONE) code = pixel_options_apply("infer", &a->pixels, model);
    if (code != EXIT_DONE) return code;
    if (!check_images(files, n_files) || !check_outputs(a, files, n_files)) return EXIT_FAILED;
    options.n_threads = (int)a->threads.n;
    options.pin = (tn_pin)a->threads.pin;
    if (n_files > 0 && n_files < a->batch_size) a->batch_size = n_files;
    options.max_batch = a->batch_size;
    options.images_only = true;
    if (tn_cpu_inspect_process(&cpu, &error) != TN_OK ||
        tn_session_create(model, &options, &session, &error) != TN_OK)
        return fail_error(&error);

    FILE *out = people_stream(a->json, false);
    json_t *results = new_results(a, model, session, options.mode, &cpu);
    model_announce(out, a->path, model, &cpu, session, options.mode, options.pin);
    if (n_files == 0) {
        a->open.n_threads = (int)a->threads.n;
        data_options_suit(&a->open, model);
        const data_options data = {.data = a->data,
                                   .open = &a->open,
                                   .model_path = a->path,
                                   .confusion = a->confusion,
                                   .mistakes = a->mistakes,
                                   .n_mistakes = a->n_mistakes ? a->n_mistakes : 64};
        code = infer_data(out, model, session, &data, results);
    } else {
        const image_options images = {.batch_size = a->batch_size,
                                      .invert = a->invert,
                                      .fit = a->open.fit,
                                      .top = choose_top(a, model),
                                      .repeat = a->repeat,
                                      .draw = a->draw      ? IMAGES_DRAW
                                              : a->no_draw ? IMAGES_LIST
                                                           : IMAGES_DRAW_ON_TERMINAL};
        code = infer_images(out, model, session, files, n_files, &images, results);
    }
    tn_session_free(session);
    /* the results of the readable images are results, too */
    if (a->json && (code == EXIT_DONE || n_files > 0)) {
        int written = json_write(results, a->json);
        return code == EXIT_DONE ? written : code;
    }
    json_decref(results);
    return code;
}

int cmd_infer(int argc, char **argv) {
    arguments a = {.batch_size = 64};
    word_list words = {.items = calloc((size_t)argc, sizeof(char *))};
    if (!words.items) return fail("out of memory");
    int code = parse(&a, &words, argc, argv);
    tn_model *model = NULL;
    if (code == OPTIONS_GO_ON)
        code = model_open_shaped(a.path, NULL, a.shapes, &model)
                   ? infer(&a, model, words.items + 1, words.n - 1)
                   : EXIT_FAILED;
    tn_model_free(model);
    free(words.items);
    return code;
}

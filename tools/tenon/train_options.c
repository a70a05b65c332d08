/* SPDX-License-Identifier: Apache-2.0 */
/* train_options.c: the command line of tenon train. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment_words.h"
#include "data_options.h"
#include "message.h"
#include "threads.h"
#include "training.h"

const char *const training_optimizer_names[] = {"sgd",     "adam", "adamw", "adadelta",
                                                "rmsprop", "lars", NULL};
const char *const training_schedule_names[] = {"constant", "step",       "one-cycle",
                                               "cosine",   "polynomial", NULL};

static const char notes[] =
    "MODEL is a built-in network (mnist-cnn, lenet, mlp, resnet20, vgg-small or\n"
    "tiny-cnn; mnist-cnn if none is named) or an ONNX file, which is trained\n"
    "further. The checkpoints in the default directory are removed after success:\n"
    "the ONNX file is the result. Ctrl-C, SIGTERM or SIGHUP writes a checkpoint and\n"
    "prints the command that goes on; the exit code is 128 + the signal's number\n"
    "(Ctrl-C: 130, SIGTERM: 143). A second Ctrl-C kills.\n"
    "\n"
    "Examples:\n"
    "  tenon train\n"
    "  tenon train lenet --epochs 3 --seed 7 -o small.onnx --json results.json\n"
    "  tenon train --data fashion-mnist --epochs 5 --held-out 0.1\n"
    "  tenon train --resume\n"
    "  tenon train --data pictures --image-size 32 -o pictures.onnx\n"
    "  tenon train mnist-cnn.onnx --epochs 1 --lr 0.001 -o better.onnx\n"
    "  tenon train resnet18.onnx --data pictures --head data --freeze 'layer[123].*'\n";

/* Asking for what is only planned must not train something else: under a launcher, for instance,
 * every rank would write the same file. */
static int refuse_planned(const training *job) {
    static const char *const ranks[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (int i = 1; i < job->argc; i++)
        if (strncmp(job->argv[i], "--procs", 7) == 0)
            return fail_usage("train",
                              "--procs is not there yet: it is planned for a later version "
                              "(threads use all cores: --threads)");
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        const char *size = getenv(ranks[i]);
        if (size && strtol(size, NULL, 10) > 1)
            return fail(
                "training over %s ranks is not there yet: it is planned for a later version "
                "(start one process; unset %s if this is one)",
                size, ranks[i]);
    }
    return OPTIONS_GO_ON;
}

/* What the command line says that needs a second look before it is an option of tn_train. */
typedef struct words_given {
    threads_given threads;
    int optimizer, schedule;                        /* -1 if not given */
    double momentum, weight_decay, label_smoothing; /* NAN if not given */
    data_words data;
} words_given;

/* The rows of --help, in its order. */
typedef struct option_table {
    option rows[64];
    int n;
} option_table;

static void append(option_table *table, const option *rows, size_t n) {
    for (size_t i = 0; i < n; i++) table->rows[table->n++] = rows[i];
}

static void add_data_options(training *job, words_given *given, option_table *table) {
    tn_train_options *t = &job->options;
    const option rows[] = {
        {"data", 'd', OPTION_TEXT, "DATA", &job->data_name,
         "mnist, fashion-mnist, cifar-10, cifar-100, or a directory: IDX files, CIFAR's files, or "
         "a folder of pictures for each class; default mnist"},
        {"limit", 0, OPTION_COUNT, "N", &t->limit, "train on the first N images only; default all",
         1, INFINITY},
        {"held-out", 0, OPTION_REAL, "FRACTION", &t->held_out,
         "of the training images, kept for validation after each epoch; default 0", 0, 1,
         .below_max = true},
    };
    append(table, rows, sizeof rows / sizeof *rows);
    option pictures[DATA_ROWS];
    data_options_rows(&given->data, pictures);
    append(table, pictures, DATA_ROWS);
}

static void add_recipe_options(training *job, words_given *given, option_table *table) {
    tn_train_options *t = &job->options;
    const option rows[] = {
        {"epochs", 'e', OPTION_COUNT, "N", &t->epochs,
         "passes over the data; default the model's recipe", 1, 1000000},
        {"batch-size", 'b', OPTION_COUNT, "N", &t->batch_size,
         "images at a time; default the recipe", 1, 1 << 20},
        {"accumulate", 0, OPTION_COUNT, "N", &t->accumulate,
         "batches whose mean gradient makes a step; default 1", 1, 1 << 20},
        {"schedule", 0, OPTION_CHOICE, "NAME", &given->schedule,
         "of the learning rate: constant, step, one-cycle, cosine or polynomial; default the "
         "recipe",
         .choices = training_schedule_names},
        {"lr", 0, OPTION_REAL, "X", &t->lr, "highest learning rate; default the recipe", 0, 1000,
         .above_min = true},
        {"warmup", 0, OPTION_REAL, "EPOCHS", &t->warmup,
         "in which the learning rate rises; default 0", 0, 1000000},
        {"label-smoothing", 0, OPTION_REAL, "X", &given->label_smoothing,
         "probability spread over all classes; default the recipe", 0, 1, .below_max = true},
        {"augment", 0, OPTION_TEXT, "LIST", &job->augment,
         "random changes to the images of each epoch, such as crop=2,flip,rotate=10; also shift=, "
         "scale=, cutout=, mixup=; default none"},
        {"bn-group", 0, OPTION_COUNT, "N", &t->bn_group,
         "images whose statistics batch normalisation uses: the batch size, a half, a quarter, "
         "...; default the batch size",
         1, 1 << 20},
        {"seed", 0, OPTION_SEED, "N", &t->seed,
         "of initial weights, order, dropout and augmentation; default 0. The same seed gives the "
         "same weights, to the bit, on any number of threads"},
    };
    append(table, rows, sizeof rows / sizeof *rows);
}

static void add_fine_tuning_options(training *job, option_table *table) {
    option pixels[PIXEL_ROWS];
    pixel_options_rows(&job->pixels, pixels);
    const option rows[] = {
        {"head", 0, OPTION_TEXT, "CLASSES", &job->head,
         "of an ONNX file: replace the layer that makes the scores by a new one for so many "
         "classes, or data for those of the data set"},
        {"freeze", 0, OPTION_LIST, "PATTERN", &job->freeze,
         "leave the parameters of these names as they are, such as 'features.*'; may be given "
         "several times (tenon info --parameters lists them)"},
    };
    append(table, rows, sizeof rows / sizeof *rows);
    append(table, pixels, PIXEL_ROWS);
}

static void add_optimizer_options(training *job, words_given *given, option_table *table) {
    tn_train_options *t = &job->options;
    const option rows[] = {
        {"optimizer", 0, OPTION_CHOICE, "NAME", &given->optimizer,
         "sgd, adam, adamw, adadelta, rmsprop or lars; default the recipe",
         .choices = training_optimizer_names},
        {"momentum", 0, OPTION_REAL, "X", &given->momentum, "of sgd and lars; default 0.9", 0, 1,
         .below_max = true},
        {"nesterov", 0, OPTION_FLAG, NULL, &t->nesterov, "momentum of sgd in Nesterov's form"},
        {"weight-decay", 0, OPTION_REAL, "X", &given->weight_decay,
         "of all but biases and norms; default the recipe, 0.01 for adamw", 0, 1000},
        {"decay-all", 0, OPTION_FLAG, NULL, &t->decay_all, "of biases and norms, too"},
        {"clip-norm", 0, OPTION_REAL, "X", &t->clip_norm,
         "scale gradients down to this L2 norm; default 0, never", 0, 1e6},
    };
    append(table, rows, sizeof rows / sizeof *rows);
}

static void add_choice_options(training *job, option_table *table) {
    tn_train_options *t = &job->options;
    const option rows[] = {
        {"ema", 0, OPTION_REAL, "DECAY", &t->ema,
         "test and write a moving average of the weights, such as 0.999; default 0, none", 0, 1,
         .below_max = true},
        {"keep-best", 0, OPTION_FLAG, NULL, &t->keep_best,
         "write the weights of the epoch that is best on the held-out images"},
        {"patience", 0, OPTION_COUNT, "EPOCHS", &t->patience,
         "end after so many without a lower loss on the held-out images; default never", 1,
         1000000},
    };
    append(table, rows, sizeof rows / sizeof *rows);
}

static void add_run_options(training *job, words_given *given, option_table *table) {
    tn_train_options *t = &job->options;
    option threads[THREADS_ROWS];
    threads_rows(&given->threads, threads);
    const option rows[] = {
        threads[THREADS_ROW_THREADS],
        threads[THREADS_ROW_PIN],
        {"tuning", 0, OPTION_TEXT, "FILE", &job->tuning_name,
         "compute convolutions as tenon bench --tune found best; default as built in"},
        {"checkpoint", 0, OPTION_TEXT, "DIR", &job->checkpoint,
         "where checkpoints go, and stay; default OUT.checkpoints, removed after success"},
        {"checkpoint-every", 0, OPTION_COUNT, "STEPS", &t->checkpoint_every,
         "default the end of each epoch", 1, INFINITY},
        {"no-checkpoint", 0, OPTION_FLAG, NULL, &job->no_checkpoint, "write no checkpoints"},
        {"resume", 0, OPTION_FLAG, NULL, &t->resume, "go on from the newest good checkpoint"},
        {"output", 'o', OPTION_TEXT, "OUT.onnx", &job->output,
         "the file to write; default the model's name with .onnx, in this directory"},
        {"tensorboard", 0, OPTION_TEXT, "DIR", &job->tensorboard,
         "write a TensorBoard event file there: scalars, histograms, the worst mistakes"},
        {"json", 0, OPTION_TEXT, "FILE", &job->json,
         "write the results as JSON; - is standard output"},
        {"quiet", 'q', OPTION_FLAG, NULL, &job->quiet, "print errors only"},
        {"tile", 0, OPTION_COUNT, "N", &t->tile, NULL, 1, 1 << 20}, /* docs/architecture.md */
        {"tile-rows", 0, OPTION_COUNT, "N", &t->tile_rows, NULL, 1, 1 << 20}, /* likewise */
        {"no-winograd", 0, OPTION_FLAG, NULL, &t->no_winograd, NULL},         /* docs/numerics.md */
    };
    append(table, rows, sizeof rows / sizeof *rows);
}

static int check_pairs(const training *job) {
    const tn_train_options *t = &job->options;
    if (job->no_checkpoint && (t->resume || job->checkpoint || t->checkpoint_every))
        return fail_usage("train", "--no-checkpoint does not go with --%s",
                          t->resume         ? "resume"
                          : job->checkpoint ? "checkpoint"
                                            : "checkpoint-every");
    if (t->held_out == 0 && (t->keep_best || t->patience > 0))
        return fail_usage("train", "--%s needs images to go by: add --held-out 0.1",
                          t->keep_best ? "keep-best" : "patience");
    return OPTIONS_GO_ON;
}

/* In tn_train_options zero is the default and a negative number is none. */
static double or_none(double given) { return isnan(given) ? 0 : given > 0 ? given : -1; }

static int adopt(training *job, const words_given *given) {
    tn_train_options *t = &job->options;
    t->optimizer = (tn_optimizer)(given->optimizer + 1);
    t->schedule = (tn_schedule)(given->schedule + 1);
    t->n_threads = (int)given->threads.n;
    t->pin = (tn_pin)given->threads.pin;
    t->momentum = or_none(given->momentum);
    t->weight_decay = or_none(given->weight_decay);
    t->label_smoothing = or_none(given->label_smoothing);
    job->momentum_given = !isnan(given->momentum);
    t->freeze = job->freeze.items;
    t->n_freeze = job->freeze.n;
    int code = check_pairs(job);
    if (code == OPTIONS_GO_ON) code = data_options_parse("train", &given->data, &job->data_options);
    job->data_options.n_threads = t->n_threads;
    if (code != OPTIONS_GO_ON || !job->augment) return code;
    return augment_words_parse(job->augment, &t->augment);
}

int training_check(const training *job) {
    const tn_train_options *t = &job->options;
    const char *name = training_optimizer_names[t->optimizer - 1];
    bool sgd = t->optimizer == TN_OPTIMIZER_SGD;
    if (job->momentum_given && !sgd && t->optimizer != TN_OPTIMIZER_LARS)
        return fail_usage("train",
                          "--momentum is an option of sgd and lars, not of %s (add --optimizer "
                          "sgd)",
                          name);
    if (t->nesterov && !sgd)
        return fail_usage("train",
                          "--nesterov is an option of sgd, not of %s (add --optimizer sgd)", name);
    if (t->nesterov && !(t->momentum > 0))
        return fail_usage("train", "--nesterov does not go with --momentum 0");
    if (t->decay_all && !(t->weight_decay > 0))
        return fail_usage("train", "--decay-all needs a decay: add --weight-decay");
    return OPTIONS_GO_ON;
}

int training_parse(training *job, word_list *words) {
    words_given given = {.optimizer = -1,
                         .schedule = -1,
                         .momentum = NAN,
                         .weight_decay = NAN,
                         .label_smoothing = NAN};
    option_table table = {.n = 0};
    add_data_options(job, &given, &table);
    add_recipe_options(job, &given, &table);
    add_optimizer_options(job, &given, &table);
    add_choice_options(job, &table);
    add_fine_tuning_options(job, &table);
    add_run_options(job, &given, &table);
    const command_line line = {
        .verb = "train",
        .usage = "[MODEL] [OPTION]...",
        .summary = "Trains a network on a data set, writes it as an ONNX file and reports its "
                   "accuracy on the test images.",
        .options = table.rows,
        .notes = notes,
        .words = words,
        .max_words = 1,
    };
    int code = refuse_planned(job);
    if (code == OPTIONS_GO_ON) code = options_parse(&line, job->argc, job->argv);
    return code == OPTIONS_GO_ON ? adopt(job, &given) : code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the command `tenon`: picks the verb, and sees to it that output which could not be
 * written is an error. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "message.h"
#include "text.h"

typedef struct verb {
    const char *name, *arguments, *summary;
    int (*run)(int argc, char **argv);
} verb;

static const verb verbs[] = {
    {"train", "[MODEL]", "train a network and write it as an ONNX file", cmd_train},
    {"infer", "MODEL.onnx", "classify a data set or PNG and JPEG images", cmd_infer},
    {"run", "MODEL.onnx", "run a model on tensors from files", cmd_run},
    {"convert", "MODEL.onnx", "write a model that computes the same with less work", cmd_convert},
    {"info", "MODEL", "layers, shapes, parameters and work of a model", cmd_info},
    {"bench", "MODEL", "measure a model on this machine, or find its fastest kernels", cmd_bench},
    {"cpu", "", "what the processor offers and what Tenon will use", cmd_cpu},
    {NULL, NULL, NULL, NULL}};

static void print_help(FILE *out) {
    fputs("Tenon trains convolutional networks on CPUs and runs them there.\n\n"
          "Usage: tenon VERB [ARGUMENT]...\n\n",
          out);
    for (const verb *v = verbs; v->name; v++)
        fprintf(out, "  %-8s %-11s %s\n", v->name, v->arguments, v->summary);
    fputs("\n"
          "  tenon VERB --help, tenon help VERB   every option of a verb, with its default\n"
          "  tenon --version\n\n"
          "Start here:\n"
          "  tenon train                          trains mnist-cnn on MNIST: mnist-cnn.onnx\n"
          "  tenon infer mnist-cnn.onnx           its accuracy on the 10,000 test images\n"
          "  tenon infer mnist-cnn.onnx 7.png     what is on this picture?\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + N stopped by signal N.\n"
          "Environment: TENON_DATA is a directory of data sets, TENON_CPU chooses the kernels\n"
          "(see tenon cpu), NO_COLOR turns colours off.\n",
          out);
}

static int run_verb(int argc, char **argv) {
    const char *name = argv[1];
    for (const verb *v = verbs; v->name; v++)
        if (strcmp(v->name, name) == 0) return v->run(argc, argv);
    if (*name == '-') return fail_usage(NULL, "unknown option %s", name);
    const char *nearest = text_nearest(name, &verbs[0].name, sizeof(verb));
    if (nearest) return fail_usage(NULL, "unknown verb \"%s\" (did you mean %s?)", name, nearest);
    return fail_usage(NULL, "unknown verb \"%s\"", name);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("tenon %s\n", tn_version());
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "help") == 0) {
        if (argc == 2) {
            print_help(stdout);
            return EXIT_DONE;
        }
        if (argc > 3) return fail_usage(NULL, "help takes one verb");
        char *words[] = {argv[0], argv[2], "--help", NULL};
        return run_verb(3, words);
    }
    return run_verb(argc, argv);
}

/* A descriptor 0, 1 or 2 that is closed would be given to the next file opened, and what is printed
 * would end up in there. */
static void occupy_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            if (open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd) abort();
}

int main(int argc, char **argv) {
    occupy_standard_streams();
    setlocale(LC_CTYPE, ""); /* the encoding only: numbers keep their decimal point */
    int code = dispatch(argc, argv);
    bool failed_before = ferror(stdout) != 0;
    if ((fflush(stdout) != 0 || failed_before) && code == EXIT_DONE) {
        if (failed_before) return fail("cannot write standard output");
        return fail("cannot write standard output: %s", strerror(errno));
    }
    return code;
}

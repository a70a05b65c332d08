/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: command lines. One table per command drives parsing, checking and --help. */
#ifndef TN_TENON_OPTIONS_H
#define TN_TENON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Words collected from the command line. `items` is the caller's, with room for argc of them. */
typedef struct word_list {
    const char **items;
    int n;
} word_list;

typedef enum option_type {
    OPTION_FLAG = 0, /* bool *; takes no argument */
    OPTION_TEXT,     /* const char ** */
    OPTION_COUNT,    /* int64_t *, within min..max */
    OPTION_SEED,     /* uint64_t *; up to INT64_MAX, so that JSON can hold it */
    OPTION_REAL,     /* double *, within min..max */
    OPTION_CHOICE,   /* int *: index into choices */
    OPTION_LIST      /* word_list *; may be given many times */
} option_type;

typedef struct option {
    const char *name; /* without "--" */
    char letter;      /* of the short form, or 0 */
    option_type type;
    const char *argument; /* what the help calls it: "N" */
    void *value;          /* where it goes; untouched if the option is not given */
    const char *help;     /* with the default; NULL keeps the option out of the help */
    double min, max;
    bool above_min, below_max;  /* the bound itself is excluded */
    const char *const *choices; /* NULL-terminated */
} option;

typedef struct command_line {
    const char *verb;
    const char *usage;     /* what follows the verb: "[MODEL] [OPTION]..." */
    const char *summary;   /* a paragraph */
    const option *options; /* ended by a row without a name */
    const char *notes;     /* shown as it is after the options: examples, exit codes */
    word_list *words;      /* positional arguments */
    int max_words;
} command_line;

enum { OPTIONS_GO_ON = -1 };

/* Parses argv[2] and what follows, in any order; "--" ends the options. Returns OPTIONS_GO_ON, or
 * the exit code: 0 after printing the help that was asked for, EXIT_USAGE after an error. */
int options_parse(const command_line *line, int argc, char **argv);

#endif

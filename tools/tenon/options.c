/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "text.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 80 };

static void print_option(const option *o) {
    char left[64];
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->argument) n += snprintf(left + n, sizeof left - (size_t)n, " %s", o->argument);
    fputs(left, stdout);
    if (n >= HELP_COLUMN) {
        putchar('\n');
        n = 0;
    }
    printf("%*s", HELP_COLUMN - n, "");
    text_wrap(stdout, o->help, HELP_COLUMN, HELP_WIDTH);
}

static void print_help(const command_line *line) {
    printf("Usage: tenon %s %s\n\n", line->verb, line->usage);
    text_wrap(stdout, line->summary, 0, HELP_WIDTH);
    puts("\nOptions:");
    for (const option *o = line->options; o->name; o++)
        if (o->help) print_option(o);
    puts("  -h, --help                  Print this help.");
    if (line->notes) printf("\n%s", line->notes);
}

static int fail_unknown(const command_line *line, const char *word) {
    const char *nearest =
        text_nearest(word + 2, (const char *const *)&line->options[0].name, sizeof(option));
    if (strncmp(word, "--", 2) == 0 && nearest)
        return fail_usage(line->verb, "unknown option %s (did you mean --%s?)", word, nearest);
    return fail_usage(line->verb, "unknown option %s", word);
}

/* "at least 1", "from 0 to less than 1" */
static void describe_range(const option *o, char *text, size_t size) {
    if (isinf(o->max))
        snprintf(text, size, "%s %.15g", o->above_min ? "more than" : "at least", o->min);
    else
        snprintf(text, size, "%s %.15g %s %.15g", o->above_min ? "more than" : "from", o->min,
                 o->below_max ? "to less than" : "to", o->max);
}

static bool in_range(const option *o, double value) {
    return (o->above_min ? value > o->min : value >= o->min) &&
           (o->below_max ? value < o->max : value <= o->max);
}

static int fail_number(const command_line *line, const option *o, const char *text) {
    char range[96];
    describe_range(o, range, sizeof range);
    return fail_usage(line->verb, "--%s takes a %snumber %s, not \"%s\"", o->name,
                      o->type == OPTION_COUNT ? "whole " : "", range, text);
}

/* strtoll and its kin skip spaces and take signs, hexadecimal and "nan"; a command line has none.
 */
static bool starts_number(const char *text) { return *text >= '0' && *text <= '9'; }

static int parse_count(const command_line *line, const option *o, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!starts_number(text) || *end || errno || !in_range(o, (double)value))
        return fail_number(line, o, text);
    *(int64_t *)o->value = value;
    return OPTIONS_GO_ON;
}

static int parse_seed(const command_line *line, const option *o, const char *text) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!starts_number(text) || *end || errno || value > INT64_MAX)
        return fail_usage(line->verb, "--%s takes a whole number from 0 to %" PRId64 ", not \"%s\"",
                          o->name, INT64_MAX, text);
    *(uint64_t *)o->value = value;
    return OPTIONS_GO_ON;
}

static int parse_real(const command_line *line, const option *o, const char *text) {
    char *end;
    double value = strtod(text, &end);
    bool decimal = strspn(text, "0123456789.eE+-") == strlen(text);
    if (!decimal || !(starts_number(text) || *text == '.') || *end || !isfinite(value) ||
        !in_range(o, value))
        return fail_number(line, o, text);
    *(double *)o->value = value;
    return OPTIONS_GO_ON;
}

static int parse_choice(const command_line *line, const option *o, const char *text) {
    char names[128] = "";
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            *(int *)o->value = i;
            return OPTIONS_GO_ON;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return fail_usage(line->verb, "--%s takes one of %s, not \"%s\"", o->name, names, text);
}

static int parse_value(const command_line *line, const option *o, const char *text) {
    switch (o->type) {
    case OPTION_FLAG: *(bool *)o->value = true; break;
    case OPTION_TEXT:
        if (!*text) return fail_usage(line->verb, "--%s takes %s, not \"\"", o->name, o->argument);
        *(const char **)o->value = text;
        break;
    case OPTION_COUNT: return parse_count(line, o, text);
    case OPTION_SEED: return parse_seed(line, o, text);
    case OPTION_REAL: return parse_real(line, o, text);
    case OPTION_CHOICE: return parse_choice(line, o, text);
    case OPTION_LIST: {
        word_list *list = o->value;
        list->items[list->n++] = text;
        break;
    }
    }
    return OPTIONS_GO_ON;
}

/* Finds the option that word ("--name", "--name=value", "-o", "-ovalue") names; *value is what is
 * glued to it, or NULL. */
static const option *find_option(const command_line *line, const char *word, const char **value) {
    *value = NULL;
    for (const option *o = line->options; o->name; o++) {
        if (word[1] != '-') {
            if (o->letter != word[1]) continue;
            if (word[2]) *value = word + 2;
            return o;
        }
        size_t n = strlen(o->name);
        if (strncmp(word + 2, o->name, n) != 0 || (word[2 + n] && word[2 + n] != '=')) continue;
        if (word[2 + n]) *value = word + 2 + n + 1;
        return o;
    }
    return NULL;
}

static int parse_option(const command_line *line, int argc, char **argv, int *i) {
    const char *word = argv[*i], *value;
    const option *o = find_option(line, word, &value);
    if (!o) return fail_unknown(line, word);
    if (o->type == OPTION_FLAG) {
        if (value) return fail_usage(line->verb, "--%s takes no argument", o->name);
        return parse_value(line, o, "");
    }
    if (!value) {
        if (*i + 1 >= argc)
            return fail_usage(line->verb, "--%s needs an argument: %s", o->name, o->argument);
        value = argv[++*i];
    }
    return parse_value(line, o, value);
}

int options_parse(const command_line *line, int argc, char **argv) {
    bool only_words = false;
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && word[0] == '-' && word[1]) {
            if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
                print_help(line);
                return EXIT_DONE;
            }
            if (strcmp(word, "--") == 0) {
                only_words = true;
                continue;
            }
            int code = parse_option(line, argc, argv, &i);
            if (code != OPTIONS_GO_ON) return code;
        } else if (!line->words || line->words->n >= line->max_words) {
            return fail_usage(line->verb, "do not know what to do with \"%s\"", word);
        } else {
            line->words->items[line->words->n++] = word;
        }
    }
    return OPTIONS_GO_ON;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the cases of ONNX's own tests as Debian's libonnx-testdata has them (or
 * $TENON_ONNX_TESTDATA) and holds tests/conformance.txt, the list of those that are not for Tenon,
 * and docs/onnx.md against what comes out.
 *
 *     test_conformance                 all, as a test
 *     test_conformance PATTERN...      those whose name contains PATTERN: why they fail
 *     test_conformance --list          all likewise
 *     test_conformance --write FILE    brings the table in docs/onnx.md up to date */
#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conformance.h"
#include "ops/ops.h"

enum { MAX_CASES = 2048, MAX_RULES = 512, NAME_BYTES = 160, PATH_BYTES = 4096, SKIPPED = 77 };

typedef struct rule {
    char pattern[NAME_BYTES], reason[NAME_BYTES];
    int n_cases;
} rule;

typedef struct conformance_case {
    char name[NAME_BYTES]; /* "node/test_abs" */
    const char *folder;    /* that holds it */
    const rule *rule;      /* why it is skipped; NULL: it must pass */
} conformance_case;

static rule rules[MAX_RULES];
static int n_rules;
static conformance_case cases[MAX_CASES];
static int n_cases;

static void die(const char *what, const char *name) {
    fprintf(stderr, "test_conformance: %s %s\n", what, name);
    exit(EXIT_FAILURE);
}

/* ---- The list -------------------------------------------------------------------------------- */

static const char *source_root(void) {
    const char *root = getenv("TENON_SOURCE");
    return root ? root : ".";
}

/* A line is a pattern, blanks, and a reason; # begins a comment. */
static void read_rules(void) {
    char path[PATH_BYTES], line[512];
    snprintf(path, sizeof path, "%s/tests/conformance.txt", source_root());
    FILE *file = fopen(path, "r");
    if (!file) die("cannot read", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "#\n")] = '\0';
        if (line[strspn(line, " ")] == '\0') continue;
        rule *r = &rules[n_rules++];
        if (n_rules == MAX_RULES || sscanf(line, "%159s %159[^\n]", r->pattern, r->reason) != 2)
            die("cannot understand the line", line);
    }
    fclose(file);
}

static const rule *find_rule(const char *name) {
    for (int i = 0; i < n_rules; i++)
        if (fnmatch(rules[i].pattern, name, 0) == 0) {
            rules[i].n_cases++;
            return &rules[i];
        }
    return NULL;
}

/* ---- The cases ------------------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void find_group(const char *folder, const char *group) {
    char path[PATH_BYTES];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", folder, group);
    int n = scandir(path, &entries, is_visible, alphasort);
    if (n < 0) die("cannot list", path);
    for (int i = 0; i < n; i++) {
        conformance_case *c = &cases[n_cases++];
        if (n_cases == MAX_CASES) die("too many cases in", path);
        c->folder = folder;
        snprintf(c->name, sizeof c->name, "%s/%.120s", group, entries[i]->d_name);
        c->rule = find_rule(c->name);
        free(entries[i]);
    }
    free(entries);
}

static void find_cases(const char *folder) {
    static const char *const groups[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) find_group(folder, groups[i]);
}

static conformance_outcome run_case(const conformance_case *c, char why[CONFORMANCE_WHY]) {
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", c->folder, c->name) >= (int)sizeof path)
        die("too long a path,", c->folder);
    return conformance_run(path, why);
}

/* ---- The page -------------------------------------------------------------------------------- */

static const char begin_mark[] = "<!-- conformance: written by test_conformance --write -->\n";
static const char end_mark[] = "<!-- conformance: end -->\n";

static void write_operators(FILE *out, const char *heading, bool differentiable) {
    const char *before = heading;
    for (int i = 0; tn_ops[i]; i++) {
        if (!tn_ops[i]->onnx_type || (tn_ops[i]->differentiate != NULL) != differentiable) continue;
        fprintf(out, "%s%s", before, tn_ops[i]->onnx_type);
        before = ", ";
    }
    fprintf(out, ".\n");
}

static void write_table(FILE *out) {
    int n_skipped = 0;
    write_operators(out, "\nOperators with a gradient: ", true);
    write_operators(out, "\nOperators without one: ", false);
    for (int i = 0; i < n_cases; i++) n_skipped += cases[i].rule != NULL;
    fprintf(out,
            "\nOf ONNX's %d cases %d pass and %d are skipped.\n\n| case | result |\n|---|---|\n",
            n_cases, n_cases - n_skipped, n_skipped);
    for (int i = 0; i < n_cases; i++)
        fprintf(out, "| %s | %s%s |\n", cases[i].name, cases[i].rule ? "skipped: " : "passed",
                cases[i].rule ? cases[i].rule->reason : "");
    fprintf(out, "\n");
}

static char *read_text(const char *path) {
    size_t n = 0, room = 1 << 20;
    char *text = malloc(room);
    FILE *file = fopen(path, "r");
    if (!file || !text) die("cannot read", path);
    n = fread(text, 1, room - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

/* The page with the table as it should be; the caller's. */
static char *current_page(const char *page) {
    char *text = NULL;
    size_t bytes;
    const char *begin = strstr(page, begin_mark), *end = strstr(page, end_mark);
    if (!begin || !end) die("docs/onnx.md lacks the line", begin ? end_mark : begin_mark);
    FILE *out = open_memstream(&text, &bytes);
    if (!out) die("out of", "memory");
    fwrite(page, 1, (size_t)(begin - page), out);
    fputs(begin_mark, out);
    write_table(out);
    fputs(end, out);
    fclose(out);
    return text;
}

static void update_page(const char *path) {
    char *page = read_text(path), *current = current_page(page);
    FILE *out = fopen(path, "w");
    if (!out || fputs(current, out) < 0 || fclose(out) != 0) die("cannot write", path);
    free(page);
    free(current);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

/* What is on the list must be refused, not computed wrong; only random numbers may differ. */
static void conforms(void **state) {
    const conformance_case *c = *state;
    char why[CONFORMANCE_WHY];
    conformance_outcome outcome = run_case(c, why);
    if (!c->rule) {
        if (outcome != CONFORMANCE_PASSED) fail_msg("%s: %s", c->name, why);
        return;
    }
    if (outcome == CONFORMANCE_PASSED)
        fail_msg("%s passes: take it off tests/conformance.txt", c->name);
    if (outcome == CONFORMANCE_WRONG && strncmp(c->rule->reason, "random", 6) != 0)
        fail_msg("%s should be refused, but gives wrong results: %s", c->name, why);
    skip();
}

static void every_rule_has_a_case(void **state) {
    (void)state;
    for (int i = 0; i < n_rules; i++)
        if (rules[i].n_cases == 0) fail_msg("no case is left for \"%s\"", rules[i].pattern);
}

static void the_page_is_current(void **state) {
    (void)state;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/docs/onnx.md", source_root());
    char *page = read_text(path), *current = current_page(page);
    bool same = strcmp(page, current) == 0;
    free(page);
    free(current);
    if (!same) fail_msg("%s is out of date (test_conformance --write %s)", path, path);
}

static int test_all(void) {
    static struct CMUnitTest tests[MAX_CASES + 2];
    size_t n = 0;
    for (int i = 0; i < n_cases; i++)
        tests[n++] = (struct CMUnitTest){cases[i].name, conforms, NULL, NULL, &cases[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_rule_has_a_case);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_page_is_current);
    printf("skipped: what tests/conformance.txt lists; docs/onnx.md has the reasons\n");
    return _cmocka_run_group_tests("conformance", tests, n, NULL, NULL);
}

/* ---- The command ----------------------------------------------------------------------------- */

static bool is_wanted(const conformance_case *c, int n_patterns, char **patterns) {
    for (int i = 0; i < n_patterns; i++)
        if (strstr(c->name, patterns[i])) return true;
    return n_patterns == 0;
}

static int print_outcomes(int n_patterns, char **patterns) {
    static const char *const words[] = {"passed ", "refused", "WRONG  "};
    int n = 0, passed = 0;
    for (int i = 0; i < n_cases; i++) {
        char why[CONFORMANCE_WHY];
        if (!is_wanted(&cases[i], n_patterns, patterns)) continue;
        conformance_outcome outcome = run_case(&cases[i], why);
        const char *listed = cases[i].rule ? cases[i].rule->reason : "";
        printf("%s %s%s%s%s %s\n", words[outcome], cases[i].name, *listed ? " (" : "", listed,
               *listed ? ")" : "", why);
        fflush(stdout);
        n++;
        passed += outcome == CONFORMANCE_PASSED;
    }
    printf("%d of %d pass\n", passed, n);
    return n ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    const char *folder = getenv("TENON_ONNX_TESTDATA");
    if (!folder) folder = "/usr/share/libonnx-testdata/data";
    if (access(folder, R_OK) != 0) {
        printf("skipped: no ONNX test data in %s (on Debian: libonnx-testdata)\n", folder);
        return SKIPPED;
    }
    read_rules();
    find_cases(folder);
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        update_page(argv[2]);
        return EXIT_SUCCESS;
    }
    if (argc == 1) return test_all();
    bool all = strcmp(argv[1], "--list") == 0;
    return print_outcomes(all ? 0 : argc - 1, argv + 1);
}

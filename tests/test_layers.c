/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the #include lines of the source: a folder of src/ may include itself and the folders that
 * stand above it in src/meson.build; the command and the examples know tenon.h only. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { MAX_LAYERS = 32, PATH_BYTES = 4096, LINE_BYTES = 512 };

typedef struct layers {
    int n;
    char names[MAX_LAYERS][32]; /* in the order of src/meson.build */
} layers;

static const char *source_root(void) {
    const char *root = getenv("TENON_SOURCE");
    return root ? root : ".";
}

/* The place of the first path component in the order, or -1. */
static int layer_of(const layers *order, const char *path) {
    size_t length = strcspn(path, "/");
    if (path[length] != '/') return -1;
    for (int i = 0; i < order->n; i++)
        if (strlen(order->names[i]) == length && !strncmp(order->names[i], path, length)) return i;
    return -1;
}

/* The text between the quotes or brackets of an #include line, or false for any other line. */
static bool parse_include(const char *line, char name[LINE_BYTES], bool *quoted) {
    line += strspn(line, " \t");
    if (*line++ != '#') return false;
    line += strspn(line, " \t");
    if (strncmp(line, "include", 7)) return false;
    line += 7 + strspn(line + 7, " \t");
    if (*line != '"' && *line != '<') return false;
    *quoted = *line == '"';
    size_t length = strcspn(line + 1, *quoted ? "\"" : ">");
    if (length >= LINE_BYTES) return false;
    memcpy(name, line + 1, length);
    name[length] = '\0';
    return true;
}

/* Why a file of folder `layer` must not hold this line, or NULL. */
static const char *fault_in_library(const layers *order, int layer, const char *line) {
    char name[LINE_BYTES];
    bool quoted;
    if (!parse_include(line, name, &quoted)) return NULL;
    int other = layer_of(order, name);
    if (other > layer) return "stands later in src/meson.build";
    if (other >= 0 || !quoted || !strcmp(name, "tenon/tenon.h")) return NULL;
    return "names no folder of src/ (write \"folder/file.h\")";
}

/* The same for the command and the examples; siblings of the file may be included. */
static const char *fault_outside(const layers *order, const char *folder, const char *line) {
    char name[LINE_BYTES], sibling[PATH_BYTES];
    bool quoted;
    struct stat status;
    if (!parse_include(line, name, &quoted) || !strcmp(name, "tenon/tenon.h")) return NULL;
    if (!quoted) return layer_of(order, name) >= 0 ? "is inside the library" : NULL;
    snprintf(sibling, sizeof sibling, "%s/%s", folder, name);
    if (!strchr(name, '/') && !stat(sibling, &status)) return NULL;
    return "is not tenon/tenon.h";
}

static bool is_source(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h"));
}

typedef struct tally {
    int files, faults;
} tally;

/* layer is -1 outside the library. */
static void check_file(const layers *order, int layer, const char *folder, const char *path,
                       tally *seen) {
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    seen->files++;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        const char *fault =
            layer >= 0 ? fault_in_library(order, layer, line) : fault_outside(order, folder, line);
        if (!fault) continue;
        line[strcspn(line, "\n")] = '\0';
        print_error("%s:%d: %s %s\n", path, number, line, fault);
        seen->faults++;
    }
    fclose(file);
}

static void check_folder(const layers *order, int layer, const char *folder, tally *seen) {
    DIR *directory = opendir(folder);
    if (!directory) print_error("cannot open %s\n", folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_BYTES];
        struct stat status;
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert_int_equal(stat(path, &status), 0);
        if (S_ISDIR(status.st_mode))
            check_folder(order, layer, path, seen);
        else if (is_source(entry->d_name))
            check_file(order, layer, folder, path, seen);
    }
    closedir(directory);
}

/* The folders in the order of their subdir('...') lines. */
static void read_order(layers *order) {
    char path[PATH_BYTES], line[LINE_BYTES];
    snprintf(path, sizeof path, "%s/src/meson.build", source_root());
    FILE *file = fopen(path, "r");
    if (!file) print_error("cannot open %s (set TENON_SOURCE to the root of the source)\n", path);
    assert_non_null(file);
    order->n = 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "subdir('%31[a-z0-9_]')", order->names[order->n]) != 1) continue;
        order->n++;
        assert_in_range(order->n, 1, MAX_LAYERS - 1);
    }
    fclose(file);
    assert_in_range(order->n, 2, MAX_LAYERS - 1);
}

static const layers sketch = {3, {"base", "cpu", "graph"}};

static void downward_and_sideways_are_allowed(void **state) {
    (void)state;
    assert_null(fault_in_library(&sketch, 1, "#include \"base/status.h\"\n"));
    assert_null(fault_in_library(&sketch, 1, "#include \"cpu/pool.h\"\n"));
    assert_null(fault_in_library(&sketch, 0, "#include \"tenon/tenon.h\"\n"));
    assert_null(fault_in_library(&sketch, 0, "#include <sys/stat.h>\n"));
    assert_null(fault_in_library(&sketch, 0, "int graph; // \"graph/graph.h\"\n"));
}

static void upward_is_a_fault(void **state) {
    (void)state;
    assert_non_null(fault_in_library(&sketch, 0, "#include \"cpu/pool.h\"\n"));
    assert_non_null(fault_in_library(&sketch, 1, "  #  include <graph/graph.h>\n"));
}

static void a_path_without_a_folder_is_a_fault(void **state) {
    (void)state;
    assert_non_null(fault_in_library(&sketch, 1, "#include \"pool.h\"\n"));
    assert_non_null(fault_in_library(&sketch, 1, "#include \"../graph/graph.h\"\n"));
}

static void outside_only_the_public_header_is_allowed(void **state) {
    (void)state;
    assert_null(fault_outside(&sketch, "/", "#include <tenon/tenon.h>\n"));
    assert_null(fault_outside(&sketch, "/", "#include <stdio.h>\n"));
    assert_non_null(fault_outside(&sketch, "/", "#include \"base/status.h\"\n"));
    assert_non_null(fault_outside(&sketch, "/", "#include <base/status.h>\n"));
    assert_non_null(fault_outside(&sketch, "/", "#include \"../src/cpu/pool.h\"\n"));
}

static void every_folder_of_src_is_in_the_order(void **state) {
    (void)state;
    layers order;
    char src[PATH_BYTES], probe[PATH_BYTES];
    read_order(&order);
    snprintf(src, sizeof src, "%s/src", source_root());
    DIR *directory = opendir(src);
    assert_non_null(directory);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.')) continue;
        snprintf(probe, sizeof probe, "%s/", entry->d_name);
        if (layer_of(&order, probe) < 0) print_error("src/%s is not in src/meson.build\n", probe);
        assert_true(layer_of(&order, probe) >= 0);
        n++;
    }
    closedir(directory);
    assert_int_equal(n, order.n);
}

static void library_includes_point_down(void **state) {
    (void)state;
    layers order;
    tally seen = {0, 0};
    read_order(&order);
    for (int i = 0; i < order.n; i++) {
        char folder[PATH_BYTES];
        snprintf(folder, sizeof folder, "%s/src/%s", source_root(), order.names[i]);
        check_folder(&order, i, folder, &seen);
    }
    assert_true(seen.files > order.n);
    assert_int_equal(seen.faults, 0);
}

static void check_outside(const char *folder) {
    layers order;
    tally seen = {0, 0};
    char path[PATH_BYTES];
    read_order(&order);
    snprintf(path, sizeof path, "%s/%s", source_root(), folder);
    check_folder(&order, -1, path, &seen);
    assert_true(seen.files > 0);
    assert_int_equal(seen.faults, 0);
}

static void command_includes_the_public_header_only(void **state) {
    (void)state;
    check_outside("tools");
}

static void examples_include_the_public_header_only(void **state) {
    (void)state;
    check_outside("examples");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(downward_and_sideways_are_allowed),
        cmocka_unit_test(upward_is_a_fault),
        cmocka_unit_test(a_path_without_a_folder_is_a_fault),
        cmocka_unit_test(outside_only_the_public_header_is_allowed),
        cmocka_unit_test(every_folder_of_src_is_in_the_order),
        cmocka_unit_test(library_includes_point_down),
        cmocka_unit_test(command_includes_the_public_header_only),
        cmocka_unit_test(examples_include_the_public_header_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_tuning.c: the tables that choose among the implementations of a convolution: the one in the
 * source, files of others, measuring one, training with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/sha256.h"
#include "cpu/isa.h"
#include "graph/lanes.h"
#include "graph/model.h"
#include "ops/tuning.h"
#include "scratch.h"

enum { N_IMAGES = 160, BATCH = 32 };

static tn_error error;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != TN_OK) fail_msg("%s", error.message);                                        \
    } while (0)

static void expect(tn_status status, tn_status expected, const char *text) {
    if (status != expected || !strstr(error.message, text))
        fail_msg("status %s: \"%s\", not \"%s\"", tn_status_name(status), error.message, text);
}

/* ---- The table in the source ----------------------------------------------------------------- */

static tn_value *input(tn_graph *graph, const conv_choice_key *k) {
    const tn_shape shape = {
        .rank = 4, .dims = {1, k->input[0], k->input[1], k->input[2]}, .batched = true};
    tn_value *x;
    OK(tn_graph_add_value(graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, &error));
    return x;
}

static tn_value *convolve(tn_graph *graph, const conv_choice_key *k, tn_value *x) {
    tn_shape shape = {.rank = 4};
    tn_conv_attrs a;
    tn_value *in[2] = {x}, *y;
    memcpy(shape.dims, k->weight, sizeof k->weight);
    float *zeros = calloc((size_t)tn_shape_elements(&shape), sizeof *zeros);
    OK(tn_graph_add_value(graph, TN_VALUE_PARAMETER, "w", TN_FLOAT32, &shape, zeros, &in[1],
                          &error));
    free(zeros);
    tn_attrs_init(&tn_op_conv, &a);
    a.strides = (tn_ints){2, {k->strides[0], k->strides[1]}};
    a.dilations = (tn_ints){2, {k->dilations[0], k->dilations[1]}};
    a.pads = (tn_ints){4, {k->pads[0], k->pads[1], k->pads[2], k->pads[3]}};
    a.group = k->input[0] / k->weight[1];
    OK(tn_graph_apply(graph, &tn_op_conv, &a, in, 2, &y, &error));
    return y;
}

static tn_value *pool(tn_graph *graph, tn_value *x, bool relu) {
    tn_pool_attrs a;
    if (relu) OK(tn_graph_apply(graph, &tn_op_relu, NULL, &x, 1, &x, &error));
    tn_attrs_init(&tn_op_max_pool, &a);
    a.kernel_shape = a.strides = (tn_ints){2, {2, 2}};
    OK(tn_graph_apply(graph, &tn_op_max_pool, &a, &x, 1, &x, &error));
    return x;
}

/* A convolution of this shape, with its gradients; behind it a pool, if they are to be sparse, and
 * Relu before that, if they are to be very sparse. */
static tn_graph *graph_of(const conv_choice_key *k, bool relu) {
    tn_value *all[64] = {NULL}, *dy;
    tn_graph *graph;
    OK(tn_graph_create(&graph, &error));
    tn_value *x = input(graph, k), *y = convolve(graph, k, x);
    if (k->sparse) y = pool(graph, y, relu);
    OK(tn_graph_add_value(graph, TN_VALUE_INPUT, "dy", TN_FLOAT32, &y->shape, NULL, &dy, &error));
    OK(tn_graph_differentiate(graph, y, dy, &x, 1, all, &error));
    return graph;
}

/* The node of the pass that a key is for. */
static const tn_node *node_of(const tn_graph *graph, const tn_kernels *kernels,
                              const conv_choice_key *key) {
    conv_choice_key k;
    for (int i = 0; i < graph->n_nodes; i++)
        if (conv_choice_key_of(graph->nodes[i], kernels, &k) && conv_choice_compare(&k, key) == 0)
            return graph->nodes[i];
    char text[CONV_CHOICE_TEXT];
    fail_msg("no %s of %s", conv_pass_word(key->op), conv_choice_shape_text(key, text));
    return NULL;
}

/* As the level's, for what chooses; on any machine. */
static tn_kernels kernels_of(const char *level) {
    tn_kernels kernels;
    assert_true(tn_kernels_init(&kernels, "ref", tn_isa_detect()));
    kernels.level = level;
    kernels.naive = strcmp(level, "ref") == 0;
    return kernels;
}

static const char *name_of(const tn_node *node, const char *level) {
    const tn_kernels kernels = kernels_of(level);
    const tn_implementation *i = tn_implementation_of(node, &kernels, false, NULL);
    return i ? i->name : NULL;
}

static void the_built_in_table_names_what_can_run(void **state) {
    (void)state;
    static const char *const levels[] = {"avx2", "avx512", "neon"};
    conv_choice choice, other;
    for (int l = 0; l < 3; l++) {
        const tn_kernels kernels = kernels_of(levels[l]);
        int n = 0;
        for (; conv_choice_built_in(n, levels[l], &choice); n++) {
            tn_graph *graph = graph_of(&choice.key, true);
            const char *name = name_of(node_of(graph, &kernels, &choice.key), levels[l]);
            assert_non_null(name);
            assert_string_equal(name, choice.implementation);
            for (int i = 0; i < n; i++) {
                assert_true(conv_choice_built_in(i, levels[l], &other));
                assert_true(conv_choice_compare(&choice.key, &other.key) != 0);
            }
            tn_graph_free(graph);
        }
        assert_true(n >= 9);
    }
}

/* Of the pass of a convolution before a pool, by kernels of AVX2. */
static const char *name_before_pool(const tn_op *op, conv_choice_key key, bool relu) {
    tn_graph *graph = graph_of(&key, relu);
    const char *name = NULL;
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == op) name = name_of(graph->nodes[i], "avx2");
    tn_graph_free(graph);
    assert_non_null(name);
    return name;
}

/* Behind a pool a quarter of the gradient is left: too much for the weight's to leave Winograd's
 * algorithm. Relu halves it. */
static void the_denser_gradient_of_a_weight_is_not_listed(void **state) {
    (void)state;
    const tn_op *dx = conv_pass_op("input-gradient"), *dw = conv_pass_op("weight-gradient");
    conv_choice_key key = {.input = {32, 26, 26},
                           .weight = {64, 32, 3, 3},
                           .strides = {1, 1},
                           .dilations = {1, 1},
                           .sparse = 1};
    for (int image = 26; image >= 24; image -= 2) { /* in the table, and not */
        key.input[1] = key.input[2] = image;
        assert_string_equal(name_before_pool(dx, key, false), "sparse");
        assert_string_equal(name_before_pool(dx, key, true), "sparse");
        assert_string_equal(name_before_pool(dw, key, false), "winograd");
        assert_string_equal(name_before_pool(dw, key, true), "sparse");
    }
    key.weight[2] = key.weight[3] = 5; /* nothing is faster */
    assert_string_equal(name_before_pool(dw, key, false), "sparse");
}

static void add_choices(tn_sha256 *sha, conv_choice_key key, bool relu) {
    static const char *const levels[] = {"ref", "sse2", "avx2", "avx512", "neon"};
    const tn_kernels ref = kernels_of("ref");
    tn_graph *graph = graph_of(&key, relu);
    for (int batch = 1; batch <= 16; batch *= 16) { /* few samples have a rule of their own */
        assert_int_equal(tn_graph_set_batch(graph, batch, NULL), TN_OK);
        for (int i = 0; i < graph->n_nodes; i++)
            for (int l = 0; l < 5 && conv_choice_key_of(graph->nodes[i], &ref, &key); l++) {
                const char *name = name_of(graph->nodes[i], levels[l]);
                assert_non_null(name);
                tn_sha256_add(sha, name, strlen(name) + 1);
            }
    }
    tn_graph_free(graph);
}

/* With samples in lanes a rule of shapes chooses alone. */
static void add_lanes_choices(tn_sha256 *sha, conv_choice_key key) {
    static const char *const levels[] = {"ref", "sse2", "avx2", "avx512", "neon"};
    const tn_kernels ref = kernels_of("ref");
    tn_graph *graph = graph_of(&key, false);
    for (int i = 0; i < graph->n_nodes; i++)
        for (int l = 0; l < 5 && conv_choice_key_of(graph->nodes[i], &ref, &key); l++) {
            const tn_kernels kernels = kernels_of(levels[l]);
            const char *name = tn_implementation_of(graph->nodes[i], &kernels, true, NULL)->name;
            tn_sha256_add(sha, name, strlen(name) + 1);
        }
    tn_graph_free(graph);
}

static void add_all_in_lanes(tn_sha256 *sha) {
    static const int64_t channels[] = {1, 2, 3, 6, 10, 16, 20}, sizes[] = {3, 7, 8, 14, 26, 28};
    for (int i = 0; i < 7 * 7 * 6 * 4; i++) {
        int64_t c = channels[i % 7], o = channels[i / 7 % 7], size = sizes[i / 49 % 6];
        int64_t window = 3 + i / 294 % 2 * 2, pad = i / 588 * 2;
        const conv_choice_key key = {.input = {c, size, size},
                                     .weight = {o, c, window, window},
                                     .strides = {1, 1},
                                     .pads = {pad, pad, pad, pad},
                                     .dilations = {1, 1}};
        if (size + 2 * pad >= window) add_lanes_choices(sha, key);
    }
}

/* Runs that go on from a checkpoint trust the word. If this fails, choices have changed: raise the
 * number in the word, and put down both. */
static void the_word_changes_with_the_choices(void **state) {
    (void)state;
    static const int64_t channels[] = {3, 8, 16, 32, 48, 64, 128}, sizes[] = {3, 7, 8, 14, 26, 28};
    tn_sha256 sha;
    char hex[65];
    tn_sha256_begin(&sha);
    for (int i = 0; i < 7 * 7 * 6 * 6; i++) {
        int64_t c = channels[i % 7], o = channels[i / 7 % 7], size = sizes[i / 49 % 6];
        int64_t pad = i / 294 % 2, sparse = i / 588;
        const conv_choice_key key = {.input = {c, size, size},
                                     .weight = {o, c, 3, 3},
                                     .strides = {1, 1},
                                     .pads = {pad, pad, pad, pad},
                                     .dilations = {1, 1},
                                     .sparse = sparse && size + 2 * pad > 3};
        add_choices(&sha, key, sparse == 2);
    }
    add_all_in_lanes(&sha);
    tn_sha256_end(&sha, hex);
    assert_string_equal(CONV_CHOICES_BUILT_IN, "built-in-6");
    assert_string_equal(hex, "19fa93964aed19e2c4e54dfb86d287dc74b65225c5f18ab0e75a32d527c4a875");
}

/* ---- Files ----------------------------------------------------------------------------------- */

#define HEAD "{\"format\": \"tenon-tuning-1\", \"level\": \"avx2\", \"choices\": ["
#define SHAPE                                                                                      \
    "\"input\": [16, 28, 28], \"weight\": [32, 16, 3, 3], \"strides\": [1, 1], "                   \
    "\"pads\": [1, 1, 1, 1], \"dilations\": [1, 1], \"sparse\": false"
#define FIRST "{\"pass\": \"forward\", " SHAPE ", \"implementation\": \"winograd\"}"
#define SECOND                                                                                     \
    "{\"pass\": \"weight-gradient\", " SHAPE ", \"implementation\": \"tiles\", "                   \
    "\"ms\": {\"tiles\": 1.5, \"winograd\": 2}}"

static tn_status parse(const char *text, tn_tuning **tuning) {
    return tn_tuning_parse(text, strlen(text), tuning, &error);
}

static void hash_of(const char *text, char hex[65]) {
    tn_tuning *tuning;
    OK(parse(text, &tuning));
    memcpy(hex, tuning->sha256, 65);
    tn_tuning_free(tuning);
}

static void files_are_read_and_written(void **state) {
    (void)state;
    tn_tuning *tuning, *again;
    const char *path = scratch_path("t.json");
    tn_tuning_info info = TN_INIT(tn_tuning_info);
    tn_tuning_choice first = TN_INIT(tn_tuning_choice), second = first;
    OK(parse(HEAD SECOND ", " FIRST "]}", &tuning));
    OK(tn_tuning_save(tuning, path, &error));
    expect(tn_tuning_save(tuning, "/nonexistent/t.json", &error), TN_ERR_NOT_FOUND, "");
    assert_string_equal(error.message, "cannot write /nonexistent/t.json: no such directory");
    OK(tn_tuning_load(path, &again, &error));
    assert_string_equal(again->sha256, tuning->sha256);
    tn_tuning_free(tuning);
    tn_tuning_describe(again, &info);
    tn_tuning_describe_choice(again, 0, &first);
    tn_tuning_describe_choice(again, 1, &second);
    assert_string_equal(info.level, "avx2");
    assert_int_equal(info.n_choices, 2);
    assert_string_equal(first.pass, "forward");
    assert_string_equal(first.shape, "16x28x28 by 32x16x3x3, pads 1,1,1,1");
    assert_string_equal(first.implementation, "winograd");
    assert_int_equal(first.n_candidates, 0);
    assert_null(first.built_in);
    assert_string_equal(second.implementation, "tiles");
    assert_int_equal(second.n_candidates, 2);
    assert_string_equal(second.candidates[1], "winograd");
    assert_true(second.ms[0] == 1.5 && second.ms[1] == 2);
    tn_tuning_free(again);
}

/* A caller of an older version has smaller structures. */
static void descriptions_fit_the_caller(void **state) {
    (void)state;
    tn_tuning *tuning;
    tn_tuning_info info = {.size = offsetof(tn_tuning_info, sha256), .n_choices = 77};
    OK(parse(HEAD FIRST "]}", &tuning));
    tn_tuning_describe(tuning, &info);
    assert_string_equal(info.level, "avx2");
    assert_int_equal(info.n_choices, 77);
    assert_int_equal(info.size, offsetof(tn_tuning_info, sha256));
    tn_tuning_free(tuning);
}

static void the_hash_is_of_the_choices(void **state) {
    (void)state;
    static const char *const same[] = {
        HEAD SECOND ", " FIRST "]}", "  " HEAD FIRST "\n,\t" SECOND "]  }",
        HEAD FIRST ", {\"pass\": \"weight-gradient\", " SHAPE ", \"implementation\": \"tiles\"}]}"};
    static const char *const other[] = {
        HEAD "]}",
        HEAD FIRST "]}",
        HEAD SECOND "]}",
        HEAD FIRST ", {\"pass\": \"weight-gradient\", " SHAPE
                   ", \"implementation\": \"winograd\"}]}",
        HEAD FIRST ", {\"pass\": \"input-gradient\", " SHAPE ", \"implementation\": \"tiles\"}]}",
        "{\"format\": \"tenon-tuning-1\", \"level\": \"sse2\", \"choices\": [" FIRST ", " SECOND
        "]}"};
    char expected[65], hex[65];
    hash_of(HEAD FIRST ", " SECOND "]}", expected);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        hash_of(same[i], hex);
        assert_string_equal(hex, expected);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        hash_of(other[i], hex);
        assert_string_not_equal(hex, expected);
    }
}

static void hostile_files_are_refused(void **state) {
    (void)state;
#define ROW(text) HEAD "{" text "}]}"
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "it is not JSON"},
        {"{", "it is not JSON"},
        {"[]", "it is no tuning"},
        {"null", "it is not JSON"},
        {"{}", "it is no tuning: Object item not found: format"},
        {"{\"format\": 1, \"level\": \"avx2\", \"choices\": []}", "it is no tuning: Expected"},
        {"{\"format\": \"tenon-tuning-2\", \"level\": \"avx2\", \"choices\": []}",
         "its format is \"tenon-tuning-2\", not tenon-tuning-1"},
        {"{\"format\": \"tenon-tuning-1\", \"level\": \"\", \"choices\": []}", "its level \"\""},
        {"{\"format\": \"tenon-tuning-1\", \"level\": \"aaaaaaaaaaaaaaaaaaaaaaaa\", \"choices\": "
         "[]}",
         "is none of kernels"},
        {"{\"format\": \"tenon-tuning-1\", \"level\": \"avx2\", \"choices\": {}}", "no list"},
        {"{\"format\": \"tenon-tuning-1\", \"level\": \"avx2\", \"choices\": [], \"more\": 1}",
         "it is no tuning: "},
        {"{\"format\": \"tenon-tuning-1\", \"format\": \"tenon-tuning-1\", \"level\": \"avx2\", "
         "\"choices\": []}",
         "duplicate"},
        {HEAD "1]}", "its choice 1: Expected object"},
        {HEAD FIRST ", {}]}", "its choice 2: Object item not found: pass"},
        {HEAD FIRST ", " FIRST "]}", "the forward of 16x28x28 by 32x16x3x3, pads 1,1,1,1 twice"},
        {ROW("\"pass\": \"backward\", " SHAPE ", \"implementation\": \"tiles\""),
         "unknown pass backward"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"fast\""),
         "unknown implementation fast"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"sparse\""),
         "unknown implementation sparse"}, /* an implementation, but of another pass */
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"lanes\""),
         "unknown implementation lanes"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": 7"), "Expected string"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"tiles\", \"ms\": 3"),
         "its ms are no times"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"tiles\", \"ms\": []"),
         "its ms are no times"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"tiles\", \"ms\": {\"x\": 3}"),
         "unknown implementation x"},
        {ROW("\"pass\": \"forward\", " SHAPE
             ", \"implementation\": \"tiles\", \"ms\": {\"tiles\": -3}"),
         "no time in milliseconds for tiles"},
        {ROW("\"pass\": \"forward\", " SHAPE
             ", \"implementation\": \"tiles\", \"ms\": {\"tiles\": \"3\"}"),
         "no time in milliseconds for tiles"},
        {ROW("\"pass\": \"forward\", " SHAPE ", \"implementation\": \"tiles\", \"more\": 1"),
         "its choice 1: "},
#define SHAPED(input, weight, strides, pads, sparse)                                               \
    ROW("\"pass\": \"forward\", \"input\": " input ", \"weight\": " weight                         \
        ", \"strides\": " strides ", \"pads\": " pads                                              \
        ", \"dilations\": [1, 1], \"sparse\": " sparse ", \"implementation\": \"tiles\"")
        {SHAPED("[1, 2]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"), "its choice 1: "},
        {SHAPED("[1, 2, 3, 4]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"),
         "its choice 1: "},
        {SHAPED("[1, 2, 3.5]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"),
         "Expected integer"},
        {SHAPED("[0, 2, 3]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"),
         "no convolution has such a shape"},
        {SHAPED("[1, 2, 9223372036854775807]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"),
         "no convolution has such a shape"},
        {SHAPED("[1, 2, 9223372036854775808]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "false"),
         "it is not JSON: too big"},
        {SHAPED("[1, 8, 8]", "[1, 1, 3, 3]", "[0, 1]", "[0, 0, 0, 0]", "false"),
         "no convolution has such a shape"},
        {SHAPED("[1, 8, 8]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, -1, 0]", "false"),
         "no convolution has such a shape"},
        {SHAPED("[1, 8, 8]", "[1, 1, 3, 3]", "[1, 1]", "[0, 0, 0, 0]", "0"), "Expected true"},
    };
    tn_tuning *tuning = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error.message[0] = '\0';
        expect(parse(cases[i].text, &tuning), TN_ERR_FORMAT, cases[i].why);
        assert_null(tuning);
    }
}

static void files_with_too_many_choices_are_refused(void **state) {
    (void)state;
    enum { N = 20000 };
    char *text = malloc(sizeof HEAD + 2 * N + 4), *end = text + sprintf(text, "%s", HEAD);
    tn_tuning *tuning = NULL;
    for (int i = 0; i < N; i++) end += sprintf(end, "%s0", i > 0 ? "," : "");
    sprintf(end, "]}");
    expect(parse(text, &tuning), TN_ERR_FORMAT, "no list of at most 10000");
    free(text);
}

/* Cut anywhere, or with any byte replaced, a file is refused or still one. */
static void damaged_files_do_no_harm(void **state) {
    (void)state;
    static const char whole[] = HEAD FIRST ", " SECOND "]}";
    char damaged[sizeof whole];
    tn_random random = tn_random_begin(9, TN_PURPOSE_TEST, 0);
    tn_tuning *tuning = NULL;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_int_equal(tn_tuning_parse(whole, n, &tuning, &error), TN_ERR_FORMAT);
    assert_null(tuning);
    for (int i = 0; i < 20000; i++) {
        memcpy(damaged, whole, sizeof whole);
        damaged[tn_random_below(&random, sizeof whole - 1)] = (char)tn_random_below(&random, 256);
        tn_status status = tn_tuning_parse(damaged, sizeof whole - 1, &tuning, &error);
        if (status == TN_OK) {
            char *text = tn_tuning_serialise(tuning);
            char hex[65];
            hash_of(text, hex);
            assert_string_equal(hex, tuning->sha256);
            free(text);
            tn_tuning_free(tuning);
        } else {
            assert_int_equal(status, TN_ERR_FORMAT);
        }
    }
}

static void missing_files_are_named(void **state) {
    (void)state;
    tn_tuning *tuning;
    expect(tn_tuning_load("/nonexistent/t.json", &tuning, &error), TN_ERR_NOT_FOUND, "");
    assert_string_equal(error.message, "cannot read /nonexistent/t.json: no such file");
    expect(tn_tuning_load("/", &tuning, &error), TN_ERR_IO, "");
    assert_string_equal(error.message, "cannot read /: it is a directory");
    const char *path = scratch_write("bad.json", "{}", 2);
    expect(tn_tuning_load(path, &tuning, &error), TN_ERR_FORMAT, "bad.json: it is no tuning");
    expect(tn_tuning_load(NULL, &tuning, &error), TN_ERR_ARGUMENT, "NULL");
}

/* ---- Measuring and training ------------------------------------------------------------------ */

/* Two convolutions with a choice, one of them before a pool. */
static tn_model *build_model(void) {
    tn_model_options o = TN_INIT(tn_model_options);
    tn_builder *b;
    tn_model *model;
    o.height = o.width = 12;
    OK(tn_builder_create("small", &o, &b, &error));
    tn_value *x = tn_build_conv(b, tn_build_images(b), 8, 3, 1, 1, true);
    x = tn_build_batch_norm(b, tn_build_conv(b, tn_build_relu(b, x), 16, 3, 1, 1, false));
    x = tn_build_conv(b, tn_build_relu(b, x), 16, 3, 1, 1, true);
    x = tn_build_flatten(b, tn_build_max_pool(b, tn_build_relu(b, x), 2, 2));
    OK(tn_builder_finish(b, tn_build_linear(b, x, 10), &model, &error));
    return model;
}

static tn_dataset *draw_dataset(void) {
    enum { PIXELS = 12 * 12 };
    static uint8_t images[N_IMAGES * PIXELS];
    static int32_t labels[N_IMAGES];
    tn_random random = tn_random_begin(4, TN_PURPOSE_TEST, 0);
    tn_dataset *dataset;
    for (int i = 0; i < N_IMAGES * PIXELS; i++) images[i] = (uint8_t)tn_random_below(&random, 256);
    for (int i = 0; i < N_IMAGES; i++) labels[i] = i % 10;
    OK(tn_dataset_create("noise", N_IMAGES, 12, 12, 1, 10, images, labels, &dataset, &error));
    return dataset;
}

static tn_tuning *measure(const tn_model *model) {
    tn_tune_options o = TN_INIT(tn_tune_options);
    tn_tuning *tuning;
    o.batch_size = BATCH;
    o.n_threads = 2;
    o.seconds = 1e-6;
    OK(tn_tune(model, &o, &tuning, &error));
    return tuning;
}

/* The same choices but for one, which is turned round. */
static tn_tuning *other_than(const tn_tuning *tuning) {
    tn_tuning *other;
    OK(tn_tuning_create(tuning->level, tuning->n_rows, &other, &error));
    memcpy(other->rows, tuning->rows, (size_t)tuning->n_rows * sizeof *other->rows);
    other->n_rows = tuning->n_rows;
    tn_tuning_row *row = &other->rows[0];
    row->choice.implementation = row->candidates[row->choice.implementation == row->candidates[0]];
    OK(tn_tuning_finish(other, &error));
    return other;
}

static void all_that_can_run_is_measured(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_tuning *tuning = measure(model);
    tn_tuning_info info = TN_INIT(tn_tuning_info);
    bool sparse = false;
    tn_tuning_describe(tuning, &info);
    if (strcmp(info.level, "avx2") == 0) assert_int_equal(info.n_choices, 6);
    for (int i = 0; i < info.n_choices; i++) {
        tn_tuning_choice c = TN_INIT(tn_tuning_choice);
        tn_tuning_describe_choice(tuning, i, &c);
        assert_true(c.n_candidates >= 2 && c.n_nodes == 1);
        assert_string_equal(c.candidates[0], c.built_in);
        for (int k = 0; k < c.n_candidates; k++) {
            assert_true(c.ms[k] > 0);
            sparse = sparse || strcmp(c.candidates[k], "sparse") == 0;
        }
    }
    if (info.n_choices == 6) assert_true(sparse);
    tn_tuning_free(tuning);
    tn_model_free(model);
}

/* In lanes there is one implementation of each. */
static void networks_in_lanes_have_no_choice(void **state) {
    (void)state;
    tn_tuning_info info = TN_INIT(tn_tuning_info);
    tn_model *model;
    OK(tn_model_build("lenet", NULL, &model, &error));
    tn_tuning *tuning = measure(model);
    tn_tuning_describe(tuning, &info);
    assert_int_equal(info.n_choices, 0);
    tn_tuning_free(tuning);
    tn_model_free(model);
}

static void senseless_tuning_is_refused(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_tuning *tuning = NULL;
    const volatile int stop = 1;
    for (int i = 0; i < 5; i++) {
        tn_tune_options o = TN_INIT(tn_tune_options);
        o.seconds = 1e-6;
        if (i == 0) o.size = 0;
        if (i == 1) o.seconds = -1;
        if (i == 2) o.batch_size = -1;
        if (i == 3) o.n_threads = -1;
        if (i == 4) o.stop = &stop;
        tn_status expected = i == 4 ? TN_STOPPED : TN_ERR_ARGUMENT;
        assert_int_equal(tn_tune(model, &o, &tuning, &error), expected);
        assert_null(tuning);
    }
    tn_model_free(model);
}

static void plans_take_the_choice(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_tuning *measured = measure(model), *other = other_than(measured);
    const tn_tuning *const tables[] = {measured, other};
    for (int t = 0; t < 2 && measured->n_rows > 0; t++) {
        tn_plan_report_options o = TN_INIT(tn_plan_report_options);
        tn_plan_info plan = TN_INIT(tn_plan_info);
        tn_plan_report *report;
        int found = 0;
        o.training = true;
        o.batch_size = BATCH;
        o.tuning = tables[t];
        OK(tn_plan_report_create(model, &o, &report, &error));
        tn_plan_report_describe(report, &plan);
        /* The first row is the forward pass of the second layer, which is the second Conv. */
        const conv_choice *choice = &tables[t]->rows[0].choice;
        assert_ptr_equal(choice->key.op, &tn_op_conv);
        for (int i = 0, n = 0; i < plan.n_nodes; i++) {
            tn_plan_node_info node = TN_INIT(tn_plan_node_info);
            tn_plan_report_describe_node(report, i, &node);
            if (strncmp(node.op, "Conv", 4) != 0 || node.again || n++ != 1) continue;
            assert_string_equal(node.implementation, choice->implementation);
            found++;
        }
        assert_int_equal(found, 1);
        tn_plan_report_free(report);
    }
    tn_tuning_free(measured);
    tn_tuning_free(other);
    tn_model_free(model);
}

static void refuse_plan(const tn_model *model, const tn_tuning *tuning, bool training,
                        tn_status expected, const char *text) {
    tn_plan_report_options o = TN_INIT(tn_plan_report_options);
    tn_plan_report *report = NULL;
    o.training = training;
    o.batch_size = BATCH;
    o.tuning = tuning;
    expect(tn_plan_report_create(model, &o, &report, &error), expected, text);
    assert_null(report);
}

static void choices_that_do_not_fit_are_refused(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_tuning *tuning = measure(model);
    refuse_plan(model, tuning, false, TN_ERR_ARGUMENT, "for training only");
    if (tuning->n_rows > 0) {
        tuning->rows[0].choice.implementation = "naive"; /* of the reference */
        refuse_plan(model, tuning, true, TN_ERR_MISMATCH, "names \"naive\", which cannot run it");
    }
    strcpy(tuning->level, "other");
    refuse_plan(model, tuning, true, TN_ERR_MISMATCH, "the tuning is for other kernels");
    tn_tuning_free(tuning);
    tn_model_free(model);
}

typedef struct run_of {
    const tn_model *model;
    const tn_dataset *dataset;
    const tn_tuning *tuning;
    const char *dir;
    int n_threads;
    int64_t max_steps;
} run_of;

static tn_status train(const run_of *run, char hex[65]) {
    tn_train_options o = TN_INIT(tn_train_options);
    tn_model *trained = NULL;
    o.epochs = 2;
    o.batch_size = BATCH;
    o.lr = 0.01;
    o.optimizer = TN_OPTIMIZER_SGD;
    o.n_threads = run->n_threads;
    o.tuning = run->tuning;
    o.checkpoint_dir = run->dir;
    o.resume = run->dir != NULL;
    o.max_steps = run->max_steps;
    tn_status status = tn_train(run->model, run->dataset, &o, &trained, NULL, &error);
    if (trained) tn_model_weights_sha256(trained, hex);
    tn_model_free(trained);
    return status;
}

static void threads_change_no_bits(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_dataset *dataset = draw_dataset();
    tn_tuning *measured = measure(model), *other = other_than(measured);
    char first[65], hex[65], without[65];
    run_of run = {.model = model, .dataset = dataset, .n_threads = 1};
    OK(train(&run, without));
    run.tuning = other;
    OK(train(&run, first));
    for (run.n_threads = 2; run.n_threads <= 3; run.n_threads++) {
        OK(train(&run, hex));
        assert_string_equal(hex, first);
    }
    run.tuning = measured;
    OK(train(&run, hex));
    if (measured->n_rows > 0) assert_string_not_equal(hex, first);
    tn_tuning_free(measured);
    tn_tuning_free(other);
    tn_dataset_free(dataset);
    tn_model_free(model);
}

static void runs_go_on_with_their_table_only(void **state) {
    (void)state;
    tn_model *model = build_model();
    tn_dataset *dataset = draw_dataset();
    tn_tuning *measured = measure(model), *other = other_than(measured);
    char straight[65], hex[65], expected[256];
    run_of run = {.model = model, .dataset = dataset, .tuning = measured, .n_threads = 2};
    OK(train(&run, straight));
    run.dir = scratch_subdirectory("tuned");
    run.max_steps = 3;
    assert_int_equal(train(&run, hex), TN_STOPPED);
    run.max_steps = 0;
    run.tuning = NULL;
    snprintf(expected, sizeof expected, "tuning %s, but this run has none (give the file",
             measured->sha256);
    expect(train(&run, hex), TN_ERR_MISMATCH, expected);
    run.tuning = other;
    snprintf(expected, sizeof expected, "tuning %s, but this run has %s (give the file",
             measured->sha256, other->sha256);
    expect(train(&run, hex), TN_ERR_MISMATCH, expected);
    /* Another object of the same content will do, on another number of threads. */
    const char *path = scratch_path("same.json");
    tn_tuning *again;
    OK(tn_tuning_save(measured, path, &error));
    OK(tn_tuning_load(path, &again, &error));
    run.tuning = again;
    run.n_threads = 1;
    OK(train(&run, hex));
    assert_string_equal(hex, straight);
    /* And the other way round. */
    run.dir = scratch_subdirectory("plain");
    run.tuning = NULL;
    run.max_steps = 3;
    assert_int_equal(train(&run, hex), TN_STOPPED);
    run.max_steps = 0;
    run.tuning = again;
    expect(train(&run, hex), TN_ERR_MISMATCH, "with tuning none, but this run has");
    tn_tuning_free(measured);
    tn_tuning_free(other);
    tn_tuning_free(again);
    tn_dataset_free(dataset);
    tn_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_table_names_what_can_run),
        cmocka_unit_test(the_denser_gradient_of_a_weight_is_not_listed),
        cmocka_unit_test(the_word_changes_with_the_choices),
        cmocka_unit_test(files_are_read_and_written),
        cmocka_unit_test(descriptions_fit_the_caller),
        cmocka_unit_test(the_hash_is_of_the_choices),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(files_with_too_many_choices_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(all_that_can_run_is_measured),
        cmocka_unit_test(networks_in_lanes_have_no_choice),
        cmocka_unit_test(senseless_tuning_is_refused),
        cmocka_unit_test(plans_take_the_choice),
        cmocka_unit_test(choices_that_do_not_fit_are_refused),
        cmocka_unit_test(threads_change_no_bits),
        cmocka_unit_test(runs_go_on_with_their_table_only),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

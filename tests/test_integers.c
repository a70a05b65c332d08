/* SPDX-License-Identifier: Apache-2.0 */
/* Operators on whole numbers and bool, which shape subgraphs are made of: each implementation run
 * by itself on small constants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/images.h"
#include "ops/integers.h"
#include "ops/ops.h"

enum { MOST = 8 };

typedef struct operand {
    tn_dtype dtype;
    int n; /* 0: a scalar */
    int64_t numbers[MOST];
} operand;

static tn_value *constant(tn_graph *g, const operand *o) {
    tn_error error;
    tn_value *v;
    int64_t data[MOST];
    tn_shape shape = {.rank = o->n > 0, .dims = {o->n}};
    for (int i = 0; i < (o->n ? o->n : 1); i++) tn_integer_set(o->dtype, data, i, o->numbers[i]);
    assert_int_equal(
        tn_graph_add_value(g, TN_VALUE_CONSTANT, NULL, o->dtype, &shape, data, &v, &error), TN_OK);
    return v;
}

static void run_node(const tn_node *node, void *y) {
    const tn_implementation *const *i = node->op->implementations;
    while ((*i)->applies && !(*i)->applies(node, NULL)) i++;
    void *workspace = NULL;
    if ((*i)->workspace_bytes)
        workspace = test_malloc((size_t)(*i)->workspace_bytes(node, NULL, 1));
    tn_run run = {.node = node, .n = 1, .end = 1, .out = {y}, .workspace = workspace};
    for (int k = 0; k < node->n_inputs; k++) run.in[k] = node->inputs[k]->data;
    tn_run_set_whole(&run);
    (*i)->run(&run);
    if (workspace) test_free(workspace);
}

/* op of n_operands operands is `expected`. */
static void expect(const tn_op *op, const void *attrs, const operand *operands, int n_operands,
                   const operand *expected) {
    tn_error error = {{0}};
    tn_graph *g;
    tn_value *in[3];
    tn_node *node;
    int64_t y[MOST];
    assert_int_equal(tn_graph_create(&g, &error), TN_OK);
    for (int i = 0; i < n_operands; i++) in[i] = constant(g, &operands[i]);
    if (tn_graph_add_node(g, op, NULL, attrs, in, n_operands, &node, &error) != TN_OK)
        fail_msg("%s: %s", op->name, error.message);
    assert_int_equal(node->outputs[0]->dtype, expected->dtype);
    assert_int_equal(tn_shape_elements(&node->outputs[0]->shape), expected->n ? expected->n : 1);
    run_node(node, y);
    for (int i = 0; i < (expected->n ? expected->n : 1); i++)
        if (tn_integer_at(expected->dtype, y, i) != expected->numbers[i])
            fail_msg("%s: number %d is %lld, not %lld", op->name, i,
                     (long long)tn_integer_at(expected->dtype, y, i),
                     (long long)expected->numbers[i]);
    tn_graph_free(g);
}

static void of_two(const tn_op *op, const void *attrs, operand a, operand b, operand y) {
    const operand in[] = {a, b};
    expect(op, attrs, in, 2, &y);
}

static void arithmetic_wraps_and_survives_zero(void **state) {
    const operand a = {TN_INT64, 4, {7, -7, INT64_MIN, INT64_MAX}};
    const operand two = {TN_INT64, 0, {2}}, some = {TN_INT64, 4, {2, -2, -1, 0}};
    (void)state;
    of_two(&tn_op_add, NULL, a, two, (operand){TN_INT64, 4, {9, -5, INT64_MIN + 2, INT64_MIN + 1}});
    of_two(&tn_op_sub, NULL, two, a,
           (operand){TN_INT64, 4, {-5, 9, INT64_MIN + 2, 3 - INT64_MAX - 1}});
    of_two(&tn_op_mul, NULL, a, two, (operand){TN_INT64, 4, {14, -14, 0, -2}});
    of_two(&tn_op_div, NULL, a, some, (operand){TN_INT64, 4, {3, 3, INT64_MIN, 0}});
    of_two(&tn_op_add, NULL, (operand){TN_INT32, 1, {INT32_MAX}}, (operand){TN_INT32, 1, {1}},
           (operand){TN_INT32, 1, {INT32_MIN}});
    of_two(&tn_op_mul, NULL, (operand){TN_UINT8, 2, {200, 3}}, (operand){TN_UINT8, 0, {2}},
           (operand){TN_UINT8, 2, {144, 6}});
    of_two(&tn_op_div, NULL, (operand){TN_UINT64, 1, {-2}}, (operand){TN_UINT64, 0, {2}},
           (operand){TN_UINT64, 1, {INT64_MAX}});
}

static void remainders_have_the_sign_asked_for(void **state) {
    const operand a = {TN_INT32, 4, {7, -7, 7, -7}}, b = {TN_INT32, 4, {3, 3, -3, 0}};
    (void)state;
    of_two(&tn_op_mod, &(const int64_t){0}, a, b, (operand){TN_INT32, 4, {1, 2, -2, 0}});
    of_two(&tn_op_mod, &(const int64_t){1}, a, b, (operand){TN_INT32, 4, {1, -1, 1, 0}});
}

static void comparisons_know_large_unsigned_numbers(void **state) {
    const operand a = {TN_UINT64, 3, {-1, 1, 5}}, b = {TN_UINT64, 3, {1, -1, 5}};
    (void)state;
    of_two(&tn_op_less, NULL, a, b, (operand){TN_BOOL, 3, {0, 1, 0}});
    of_two(&tn_op_less_or_equal, NULL, a, b, (operand){TN_BOOL, 3, {0, 1, 1}});
    of_two(&tn_op_greater, NULL, a, b, (operand){TN_BOOL, 3, {1, 0, 0}});
    of_two(&tn_op_greater_or_equal, NULL, a, b, (operand){TN_BOOL, 3, {1, 0, 1}});
    of_two(&tn_op_equal, NULL, a, b, (operand){TN_BOOL, 3, {0, 0, 1}});
    of_two(&tn_op_max, NULL, a, b, (operand){TN_UINT64, 3, {-1, -1, 5}});
    of_two(&tn_op_min, NULL, a, b, (operand){TN_UINT64, 3, {1, 1, 5}});
    of_two(&tn_op_equal, NULL, (operand){TN_BOOL, 2, {0, 1}}, (operand){TN_BOOL, 0, {1}},
           (operand){TN_BOOL, 2, {0, 1}});
}

static void logic_is_that_of_bool(void **state) {
    const operand a = {TN_BOOL, 4, {0, 0, 1, 1}}, b = {TN_BOOL, 4, {0, 1, 0, 1}};
    (void)state;
    of_two(&tn_op_and, NULL, a, b, (operand){TN_BOOL, 4, {0, 0, 0, 1}});
    of_two(&tn_op_or, NULL, a, b, (operand){TN_BOOL, 4, {0, 1, 1, 1}});
    of_two(&tn_op_xor, NULL, a, b, (operand){TN_BOOL, 4, {0, 1, 1, 0}});
    expect(&tn_op_not, NULL, &a, 1, &(operand){TN_BOOL, 4, {1, 1, 0, 0}});
}

static void where_moves_any_type(void **state) {
    const operand in[] = {
        {TN_BOOL, 3, {1, 0, 1}}, {TN_INT16, 3, {1, -2, 3}}, {TN_INT16, 0, {-300}}};
    (void)state;
    expect(&tn_op_where, NULL, in, 3, &(operand){TN_INT16, 3, {1, -300, 3}});
}

static void functions_of_one_number(void **state) {
    const operand x = {TN_INT64, 4, {3, -3, 0, INT64_MIN}};
    (void)state;
    expect(&tn_op_abs, NULL, &x, 1, &(operand){TN_INT64, 4, {3, 3, 0, INT64_MIN}});
    expect(&tn_op_neg, NULL, &x, 1, &(operand){TN_INT64, 4, {-3, 3, 0, INT64_MIN}});
    expect(&tn_op_sign, NULL, &x, 1, &(operand){TN_INT64, 4, {1, -1, 0, -1}});
}

static void powers(void **state) {
    const operand x = {TN_INT64, 4, {3, -2, 0, 1}};
    (void)state;
    of_two(&tn_op_pow, NULL, x, (operand){TN_INT32, 0, {3}},
           (operand){TN_INT64, 4, {27, -8, 0, 1}});
    of_two(&tn_op_pow, NULL, x, (operand){TN_INT64, 0, {0}}, (operand){TN_INT64, 4, {1, 1, 1, 1}});
    of_two(&tn_op_pow, NULL, x, (operand){TN_INT64, 0, {-1}}, (operand){TN_INT64, 4, {0, 0, 0, 1}});
}

static void reductions(void **state) {
    const operand x = {TN_INT32, 4, {5, -3, 2, -3}};
    const tn_reduce_attrs all = {.keepdims = 0};
    (void)state;
    expect(&tn_op_reduce_sum, &all, &x, 1, &(operand){TN_INT32, 0, {1}});
    expect(&tn_op_reduce_prod, &all, &x, 1, &(operand){TN_INT32, 0, {90}});
    expect(&tn_op_reduce_max, &all, &x, 1, &(operand){TN_INT32, 0, {5}});
    expect(&tn_op_reduce_min, &all, &x, 1, &(operand){TN_INT32, 0, {-3}});
    const operand large = {TN_UINT64, 2, {-1, 1}};
    expect(&tn_op_reduce_max, &all, &large, 1, &(operand){TN_UINT64, 0, {-1}});
    expect(&tn_op_reduce_min, &all, &large, 1, &(operand){TN_UINT64, 0, {1}});
    const int64_t first[] = {0, 1, 0}, last[] = {0, 1, 1}; /* axis, keepdims, select_last_index */
    expect(&tn_op_arg_max, first, &x, 1, &(operand){TN_INT64, 1, {0}});
    expect(&tn_op_arg_min, first, &x, 1, &(operand){TN_INT64, 1, {1}});
    expect(&tn_op_arg_min, last, &x, 1, &(operand){TN_INT64, 1, {3}});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_wraps_and_survives_zero),
        cmocka_unit_test(remainders_have_the_sign_asked_for),
        cmocka_unit_test(comparisons_know_large_unsigned_numbers),
        cmocka_unit_test(logic_is_that_of_bool),
        cmocka_unit_test(where_moves_any_type),
        cmocka_unit_test(functions_of_one_number),
        cmocka_unit_test(powers),
        cmocka_unit_test(reductions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

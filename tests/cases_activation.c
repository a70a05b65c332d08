/* SPDX-License-Identifier: Apache-2.0 */
/* cases_activation.c: cases of elementwise operators. */
#include "case_words.h"

#include <math.h>

static tn_value *conv_of(tn_graph *g, tn_value *x, int64_t c, int64_t o) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, x, PARAMETER(o, c, 1, 1), PARAMETER(o));
}

/* As an input; of an image between convolutions, in place and channels last; of parameters. */
static void everywhere(tn_graph *g, const tn_op *op, const void *attrs) {
    output(g, apply(g, op, attrs, INPUT(3, 5, 5), NULL, NULL));
    tn_value *x = conv_of(g, INPUT(2, 4, 3), 2, 5);
    x = apply(g, op, attrs, x, NULL, NULL);
    output(g, conv_of(g, x, 5, 3));
    tn_value *p = apply(g, op, attrs, PARAMETER(3, 4), NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 4), p, NULL));
}

static void with_alpha(tn_graph *g, const tn_op *op, double alpha) {
    const tn_alpha_attrs a = {alpha};
    everywhere(g, op, &a);
}

static void leaky_relu(tn_graph *g) { with_alpha(g, &tn_op_leaky_relu, 0.25); }
static void leaky_relu_zero(tn_graph *g) { with_alpha(g, &tn_op_leaky_relu, 0); }
/* What is negative becomes positive: the sign of y says nothing. */
static void leaky_relu_negative(tn_graph *g) { with_alpha(g, &tn_op_leaky_relu, -0.5); }

static void elu(tn_graph *g) { with_alpha(g, &tn_op_elu, 1); }
static void elu_small(tn_graph *g) { with_alpha(g, &tn_op_elu, 0.3); }
static void elu_negative(tn_graph *g) { with_alpha(g, &tn_op_elu, -0.7); }

static void sigmoid(tn_graph *g) { everywhere(g, &tn_op_sigmoid, NULL); }
static void tanh_of(tn_graph *g) { everywhere(g, &tn_op_tanh, NULL); }
static void identity(tn_graph *g) { everywhere(g, &tn_op_identity, NULL); }

/* Outputs that are inputs and parameters, and one value twice. */
static void identity_output(tn_graph *g) {
    tn_value *x = INPUT(2, 3), *p = PARAMETER(4);
    output(g, apply(g, &tn_op_identity, NULL, x, NULL, NULL));
    output(g, apply(g, &tn_op_identity, NULL, x, NULL, NULL));
    output(g, apply(g, &tn_op_identity, NULL, p, NULL, NULL));
    tn_value *y = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, y);
    output(g, apply(g, &tn_op_identity, NULL, y, NULL, NULL));
}

static void hard_sigmoid_of(tn_graph *g, double alpha, double beta) {
    const tn_hard_sigmoid_attrs a = {alpha, beta};
    everywhere(g, &tn_op_hard_sigmoid, &a);
}
static void hard_sigmoid(tn_graph *g) { hard_sigmoid_of(g, 0.2, 0.5); }
static void hard_sigmoid_steep(tn_graph *g) { hard_sigmoid_of(g, 1.75, 0.375); }
static void hard_sigmoid_falling(tn_graph *g) { hard_sigmoid_of(g, -0.75, 0.25); }

/* Far enough to both sides to reach the bends. */
static void hard_swish(tn_graph *g) {
    everywhere(g, &tn_op_hard_swish, NULL);
    tn_value *x = apply(g, &tn_op_mul, NULL, INPUT(6, 7), CONSTANT(6, 1), NULL);
    for (int i = 0; i < 3; i++) x = apply(g, &tn_op_add, NULL, x, x, NULL);
    output(g, apply(g, &tn_op_hard_swish, NULL, x, NULL, NULL));
}

static void clip_of(tn_graph *g, double min, double max) {
    const tn_clip_attrs a = {min, max};
    everywhere(g, &tn_op_clip, &a);
}
static void clip(tn_graph *g) { clip_of(g, -0.55, 0.66); }
static void clip_below(tn_graph *g) { clip_of(g, -0.125, INFINITY); }
static void clip_above(tn_graph *g) { clip_of(g, -INFINITY, 0.125); }
static void clip_nothing(tn_graph *g) { clip_of(g, -INFINITY, INFINITY); }
static void clip_crossed(tn_graph *g) { clip_of(g, 0.5, -0.5); }

/* ---- PRelu ----------------------------------------------------------------------------------- */

/* Without parameters among the inputs, so that all may run in lanes. */
static void of_samples(tn_graph *g) {
    const tn_alpha_attrs alpha = {0.25};
    const tn_hard_sigmoid_attrs slope = {0.2, 0.5};
    const tn_clip_attrs bounds = {-0.55, 0.66};
    const struct {
        const tn_op *op;
        const void *attrs;
    } all[] = {{&tn_op_leaky_relu, &alpha},   {&tn_op_elu, &alpha},
               {&tn_op_sigmoid, NULL},        {&tn_op_tanh, NULL},
               {&tn_op_hard_sigmoid, &slope}, {&tn_op_hard_swish, NULL},
               {&tn_op_clip, &bounds},        {&tn_op_relu, NULL}};
    tn_value *x = conv_of(g, INPUT(2, 4, 3), 2, 5), *sum = x;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sum =
            apply(g, &tn_op_add, NULL, sum, apply(g, all[i].op, all[i].attrs, x, NULL, NULL), NULL);
    tn_value *divisor = apply(g, &tn_op_sigmoid, NULL, x, NULL, NULL);
    sum = apply(g, &tn_op_sub, NULL, sum, x, NULL);
    output(g, apply(g, &tn_op_div, NULL, sum, divisor, NULL));
}

static void prelu(tn_graph *g, tn_value *x, tn_value *slope) {
    output(g, apply(g, &tn_op_prelu, NULL, x, slope, NULL));
}
static void prelu_channel(tn_graph *g) { prelu(g, INPUT(3, 4, 5), PARAMETER(3, 1, 1)); }
static void prelu_scalar(tn_graph *g) { prelu(g, INPUT(3, 4, 5), PARAMETER(1)); }
static void prelu_row(tn_graph *g) { prelu(g, INPUT(9), PARAMETER(9)); }
static void prelu_column(tn_graph *g) { prelu(g, INPUT(3, 4), PARAMETER(3, 1)); }
static void prelu_sample(tn_graph *g) { prelu(g, INPUT(3, 4, 5), PARAMETER(1, 3, 4, 5)); }
static void prelu_batched(tn_graph *g) { prelu(g, INPUT(3, 4, 5), INPUT(3, 1, 1)); }
static void prelu_constant(tn_graph *g) { prelu(g, INPUT(3, 4, 5), CONSTANT(3, 1, 1)); }
static void prelu_parameters(tn_graph *g) {
    tn_value *p = apply(g, &tn_op_prelu, NULL, PARAMETER(3, 4), PARAMETER(4), NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 4), p, NULL));
}
/* Between convolutions, where it runs in place, and against every kind of slope. */
static void prelu_image(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(2, 4, 3), 2, 5);
    x = apply(g, &tn_op_prelu, NULL, x, PARAMETER(5, 1, 1), NULL);
    x = conv_of(g, x, 5, 4);
    prelu(g, x, PARAMETER(4, 1, 1));
    prelu(g, x, PARAMETER(1));
    prelu(g, x, PARAMETER(4, 3));
    prelu(g, x, PARAMETER(4, 4, 3));
    prelu(g, x, INPUT(4, 4, 3));
}

/* ---- Sub and Div ----------------------------------------------------------------------------- */

/* Divisors are kept off zero, integers too. */
static tn_value *quotient_of(tn_graph *g, tn_value *a, tn_value *b) {
    tn_value *divisor = apply(g, &tn_op_sigmoid, NULL, b, NULL, NULL);
    return apply(g, &tn_op_div, NULL, a, divisor, NULL);
}

static void sub(tn_graph *g, tn_value *a, tn_value *b) {
    output(g, apply(g, &tn_op_sub, NULL, a, b, NULL));
}
static void div_of(tn_graph *g, tn_value *a, tn_value *b) { output(g, quotient_of(g, a, b)); }

typedef void binary_fn(tn_graph *g, tn_value *a, tn_value *b);

/* Each kind of operand on either side. */
static void binary(tn_graph *g, binary_fn *f) {
    tn_value *x = INPUT(3, 4, 5);
    f(g, x, INPUT(3, 4, 5));
    f(g, x, PARAMETER(1));
    f(g, PARAMETER(1), x);
    f(g, PARAMETER(1, 3, 1, 1), x);
    f(g, x, PARAMETER(4, 1));
    f(g, x, PARAMETER(3, 4, 5));
}
static void binary_narrow(tn_graph *g, binary_fn *f) {
    f(g, INPUT(3, 1, 5), PARAMETER(1, 4, 1));
    f(g, INPUT(3, 1, 1), INPUT(3, 4, 5));
    f(g, INPUT(6), CONSTANT(6));
    f(g, CONSTANT(1), INPUT(6));
    tn_value *x = INPUT(7);
    f(g, x, x);
}
/* Channels last. */
static void binary_image(tn_graph *g, binary_fn *f) {
    tn_value *x = conv_of(g, INPUT(2, 4, 3), 2, 5);
    f(g, x, PARAMETER(5, 1, 1));
    f(g, PARAMETER(4, 3), x);
    f(g, x, INPUT(5, 4, 3));
    f(g, INPUT(1, 4, 3), x);
}
static void binary_parameters(tn_graph *g, const tn_op *op) {
    tn_value *p = apply(g, op, NULL, PARAMETER(3, 5), CONSTANT(5), NULL);
    p = apply(g, op, NULL, p, apply(g, &tn_op_sigmoid, NULL, PARAMETER(3, 1), NULL, NULL), NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 5), p, NULL));
}

static void sub_operands(tn_graph *g) { binary(g, sub); }
static void sub_narrow(tn_graph *g) { binary_narrow(g, sub); }
static void sub_image(tn_graph *g) { binary_image(g, sub); }
static void sub_parameters(tn_graph *g) { binary_parameters(g, &tn_op_sub); }
static void div_operands(tn_graph *g) { binary(g, div_of); }
static void div_narrow(tn_graph *g) { binary_narrow(g, div_of); }
static void div_image(tn_graph *g) { binary_image(g, div_of); }

/* The parameter itself as divisor, above zero by its own square. */
static void div_parameters(tn_graph *g) {
    tn_value *p = PARAMETER(3, 5), *q = apply(g, &tn_op_mul, NULL, p, p, NULL);
    q = apply(g, &tn_op_add, NULL, q, apply(g, &tn_op_sigmoid, NULL, p, NULL, NULL), NULL);
    output(g, apply(g, &tn_op_div, NULL, INPUT(3, 5), q, NULL));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 5), quotient_of(g, p, PARAMETER(5)), NULL));
}

const op_case activation_cases[] = {
    {"LeakyRelu", &tn_op_leaky_relu, leaky_relu},
    {"LeakyRelu, alpha 0", &tn_op_leaky_relu, leaky_relu_zero},
    {"LeakyRelu, negative alpha", &tn_op_leaky_relu, leaky_relu_negative},
    {"activations of samples", &tn_op_tanh, of_samples, .inexact = true},
    {"PRelu, channel", &tn_op_prelu, prelu_channel},
    {"PRelu, scalar", &tn_op_prelu, prelu_scalar},
    {"PRelu, row", &tn_op_prelu, prelu_row},
    {"PRelu, column", &tn_op_prelu, prelu_column},
    {"PRelu, sample", &tn_op_prelu, prelu_sample},
    {"PRelu, batched slope", &tn_op_prelu, prelu_batched},
    {"PRelu, constant slope", &tn_op_prelu, prelu_constant},
    {"PRelu, parameters", &tn_op_prelu, prelu_parameters},
    {"PRelu, channels last", &tn_op_prelu, prelu_image},
    {"Elu", &tn_op_elu, elu, .inexact = true},
    {"Elu, alpha 0.3", &tn_op_elu, elu_small, .inexact = true},
    {"Elu, negative alpha", &tn_op_elu, elu_negative, .inexact = true},
    {"Sigmoid", &tn_op_sigmoid, sigmoid, .inexact = true},
    {"Tanh", &tn_op_tanh, tanh_of, .inexact = true},
    {"HardSigmoid", &tn_op_hard_sigmoid, hard_sigmoid, .inexact = true},
    {"HardSigmoid, steep", &tn_op_hard_sigmoid, hard_sigmoid_steep},
    {"HardSigmoid, falling", &tn_op_hard_sigmoid, hard_sigmoid_falling},
    {"HardSwish", &tn_op_hard_swish, hard_swish, .inexact = true},
    {"Clip", &tn_op_clip, clip, .inexact = true},
    {"Clip, no maximum", &tn_op_clip, clip_below},
    {"Clip, no minimum", &tn_op_clip, clip_above},
    {"Clip, no bounds", &tn_op_clip, clip_nothing},
    {"Clip, bounds crossed", &tn_op_clip, clip_crossed},
    {"Sub", &tn_op_sub, sub_operands},
    {"Sub, narrow operands", &tn_op_sub, sub_narrow},
    {"Sub, channels last", &tn_op_sub, sub_image},
    {"Sub, parameters", &tn_op_sub, sub_parameters, .inexact = true},
    {"Div", &tn_op_div, div_operands, .inexact = true},
    {"Div, narrow operands", &tn_op_div, div_narrow, .inexact = true},
    {"Div, channels last", &tn_op_div, div_image, .inexact = true},
    {"Div, parameters", &tn_op_div, div_parameters, .inexact = true},
    {"Identity", &tn_op_identity, identity},
    {"Identity as output", &tn_op_identity, identity_output},
    {0}};

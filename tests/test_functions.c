/* SPDX-License-Identifier: Apache-2.0 */
/* The elementary functions of kernels/functions.h against libm's in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/functions.h"

/* |got - exact| in units of the last place of a float near exact. */
static double ulps(float got, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)got - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static const struct {
    const char *name;
    float (*ours)(float x);
    double (*exact)(double x);
} functions[] = {{"sin", tn_sin, sin},       {"cos", tn_cos, cos},       {"tan", tn_tan, tan},
                 {"asin", tn_asin, asin},    {"acos", tn_acos, acos},    {"atan", tn_atan, atan},
                 {"sinh", tn_sinh, sinh},    {"cosh", tn_cosh, cosh},    {"asinh", tn_asinh, asinh},
                 {"acosh", tn_acosh, acosh}, {"atanh", tn_atanh, atanh}, {"log1p", tn_log1p, log1p},
                 {"erf", tn_erf, erf}};

/* The distance, or what it is where one of them is no finite number. */
static double distance(float got, double exact) {
    float rounded = (float)exact;
    if (isnan(rounded)) return isnan(got) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got)) return got == rounded ? 0 : INFINITY;
    return !signbit(got) == !signbit(exact) ? ulps(got, exact) : INFINITY;
}

/* Numbers of every magnitude and sign, infinities and NaN among them. */
static void functions_are_accurate(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        double worst = 0;
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 32749) {
            uint32_t half = (uint32_t)bits;
            float x;
            memcpy(&x, &half, sizeof x);
            double d = distance(functions[k].ours(x), functions[k].exact((double)x));
            if (!(d <= 1)) fail_msg("%s(%a): %g ulp", functions[k].name, (double)x, d);
            worst = fmax(worst, d);
        }
        print_message("%s within %.3f ulp\n", functions[k].name, worst);
    }
}

static void angles_near_multiples_are_accurate(void **state) {
    (void)state;
    for (int i = -4000; i < 4000; i++) {
        float x = (float)(i * 1.5707963267948966);
        for (int k = 0; k < 3; k++)
            assert_true(distance(functions[k].ours(x), functions[k].exact((double)x)) <= 1);
    }
}

static void powers_are_accurate(void **state) {
    (void)state;
    for (int i = -200; i <= 200; i++)
        for (int j = -200; j <= 200; j++) {
            float x = (float)(i * i * i) * 3e-5f, y = (float)(j * j * j) * 4e-6f;
            assert_true(distance(tn_pow(x, y), pow((double)x, (double)y)) <= 1);
        }
}

static void special_powers_are_those_of_c(void **state) {
    static const float special[] = {0,   -0.0f, 1,     -1,     2,        -2,        3,  -3,
                                    .5f, -.5f,  1e38f, 1e-30f, INFINITY, -INFINITY, NAN};
    enum { N = sizeof special / sizeof *special };
    (void)state;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float x = special[i], y = special[j];
            if (!(distance(tn_pow(x, y), pow((double)x, (double)y)) <= 1))
                fail_msg("%a to the power of %a is %a", (double)x, (double)y, (double)tn_pow(x, y));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions_are_accurate),
                                       cmocka_unit_test(angles_near_multiples_are_accurate),
                                       cmocka_unit_test(powers_are_accurate),
                                       cmocka_unit_test(special_powers_are_those_of_c)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* conformance.h: a case of ONNX's own tests: a folder with a model, inputs, and what must come out
 * (https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md). */
#ifndef TN_TESTS_CONFORMANCE_H
#define TN_TESTS_CONFORMANCE_H

#include "tenon/tenon.h"

typedef enum conformance_outcome {
    CONFORMANCE_PASSED,
    CONFORMANCE_REFUSED, /* the library said that it cannot */
    CONFORMANCE_WRONG    /* it gave something else than it should */
} conformance_outcome;

enum { CONFORMANCE_WHY = 1400 };

/* Runs the case in a folder, once in each mode. `why` says what failed; "" if nothing did. */
conformance_outcome conformance_run(const char *folder, char why[CONFORMANCE_WHY]);

#endif

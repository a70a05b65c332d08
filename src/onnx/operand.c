/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/operand.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "onnx/attributes.h"

static bool is_integer(tn_dtype dtype) { return dtype == TN_INT64 || dtype == TN_INT32; }

static int64_t integer_at(const tn_value *v, const void *data, int64_t i) {
    return v->dtype == TN_INT64 ? ((const int64_t *)data)[i] : ((const int32_t *)data)[i];
}

/* Another number than a float32 holds is not what the file means. */
static tn_status number_at(const tn_value *v, int64_t i, float *number, tn_error *error) {
    double exact;
    switch (v->dtype) {
    case TN_FLOAT32: exact = (double)((const float *)v->data)[i]; break;
    case TN_FLOAT64: exact = ((const double *)v->data)[i]; break;
    case TN_INT64:
    case TN_INT32: exact = (double)integer_at(v, v->data, i); break;
    case TN_UINT8:
    case TN_BOOL: exact = ((const uint8_t *)v->data)[i]; break;
    default:
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" is %s, which is not supported",
                       v->name, tn_dtype_name(v->dtype));
    }
    if (isfinite(exact) && fabs(exact) > (double)FLT_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" holds %g, too large for float32",
                       v->name, exact);
    *number = (float)exact;
    if (v->dtype == TN_FLOAT64 || isnan(exact) || (double)*number == exact) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" holds %.0f, which no float32 is",
                   v->name, exact);
}

/* ---- The size of the batch ------------------------------------------------------------------ */

static tn_status check_batch(const tn_value *v, bool batch, tn_error *error) {
    int64_t n = tn_shape_elements(&v->shape);
    if (!v->probe) return TN_OK;
    for (int64_t i = 0; i < n && is_integer(v->dtype); i++) {
        int64_t own = integer_at(v, v->data, i), probe = integer_at(v, v->probe, i);
        if (own == probe) continue;
        if (i > 0 || own != 1 || probe != TN_PROBE_BATCH) batch = false;
    }
    if (batch && is_integer(v->dtype)) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "input \"%s\" depends on the size of the batch (give the shapes of all inputs)",
                   v->name);
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static tn_status check_list(const tn_value *v, int64_t n, tn_error *error) {
    if (v->shape.rank > 1)
        return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be a list of numbers", v->name);
    if (n <= TN_ATTR_INTS_MAX) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" has %lld numbers (at most %d)", v->name,
                   (long long)n, TN_ATTR_INTS_MAX);
}

static tn_status set_ints(const tn_value *v, int64_t n, tn_ints *ints, tn_error *error) {
    if (!is_integer(v->dtype))
        return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be a list of int64", v->name);
    TN_TRY(check_list(v, n, error));
    ints->n = (int)n;
    for (int i = 0; i < ints->n; i++) ints->v[i] = integer_at(v, v->data, i);
    return TN_OK;
}

static tn_status set_floats(const tn_value *v, int64_t n, tn_floats *floats, tn_error *error) {
    TN_TRY(check_list(v, n, error));
    floats->n = (int)n;
    for (int i = 0; i < floats->n; i++) TN_TRY(number_at(v, i, &floats->v[i], error));
    return TN_OK;
}

tn_status tn_operand_set(const tn_value *v, bool batch, const tn_attr *attr, void *attrs,
                         tn_error *error) {
    void *field = (char *)attrs + attr->offset;
    int64_t n = tn_shape_elements(&v->shape);
    float number;
    TN_TRY(check_batch(v, batch && attr->type == TN_ATTR_INTS, error));
    if (attr->type == TN_ATTR_INTS) return set_ints(v, n, field, error);
    if (attr->type == TN_ATTR_FLOATS) return set_floats(v, n, field, error);
    if (n != 1) return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be one number", v->name);
    if (attr->type == TN_ATTR_INT && is_integer(v->dtype)) {
        *(int64_t *)field = integer_at(v, v->data, 0);
        return TN_OK;
    }
    if (attr->type != TN_ATTR_FLOAT)
        return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be an integer", v->name);
    TN_TRY(number_at(v, 0, &number, error));
    tn_attr_set_number(attr, attrs, (double)number);
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied as they are");

enum { magic_bytes = 6, version_bytes = 2, alignment = 64 };

static const char magic[magic_bytes] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

/* NumPy has no bfloat16. */
static const struct {
    const char *descr;
    int64_t bytes;
} types[TN_N_DTYPES] = {
    [TN_FLOAT32] = {"<f4", 4}, [TN_UINT8] = {"|u1", 1},   [TN_INT32] = {"<i4", 4},
    [TN_INT64] = {"<i8", 8},   [TN_FLOAT16] = {"<f2", 2}, [TN_FLOAT64] = {"<f8", 8},
    [TN_BOOL] = {"|b1", 1},    [TN_INT8] = {"|i1", 1},    [TN_INT16] = {"<i2", 2},
    [TN_UINT16] = {"<u2", 2},  [TN_UINT32] = {"<u4", 4},  [TN_UINT64] = {"<u8", 8}};

/* ---- The header: a Python dictionary ------------------------------------------------------ */

typedef struct cursor {
    const char *next, *end;
} cursor;

static void skip_spaces(cursor *c) {
    while (c->next < c->end && *c->next == ' ') c->next++;
}

/* Takes `text`, after spaces, if it stands there. */
static bool take(cursor *c, const char *text) {
    skip_spaces(c);
    size_t n = strlen(text);
    if ((size_t)(c->end - c->next) < n || memcmp(c->next, text, n) != 0) return false;
    c->next += n;
    return true;
}

/* Takes a quoted string without escapes. */
static bool take_string(cursor *c, char *text, size_t room) {
    if (!take(c, "'")) return false;
    size_t n = 0;
    for (; c->next < c->end && *c->next != '\''; c->next++) {
        if (n + 1 == room || *c->next == '\\' || *c->next < ' ') return false;
        text[n++] = *c->next;
    }
    text[n] = '\0';
    return take(c, "'");
}

static bool take_number(cursor *c, int64_t *number) {
    skip_spaces(c);
    const char *begin = c->next;
    *number = 0;
    for (; c->next < c->end && *c->next >= '0' && *c->next <= '9'; c->next++)
        if (!tn_size_mul(*number, 10, number) || !tn_size_add(*number, *c->next - '0', number))
            return false;
    return c->next > begin;
}

typedef struct header {
    char descr[32];
    bool fortran_order;
    int rank; /* may be beyond TN_MAX_RANK; then dims holds the first ones */
    int64_t dims[TN_MAX_RANK];
} header;

/* "()", "(3,)", "(3, 4)", "(3, 4,)" */
static bool take_shape(cursor *c, header *h) {
    if (!take(c, "(")) return false;
    for (h->rank = 0; !take(c, ")"); h->rank++) {
        int64_t dim;
        if (!take_number(c, &dim)) return false;
        if (h->rank < TN_MAX_RANK) h->dims[h->rank] = dim;
        if (take(c, ",")) continue;
        h->rank++;
        return h->rank > 1 && take(c, ")"); /* (3) is a number, not a tuple */
    }
    return true;
}

static bool take_entry(cursor *c, header *h, bool seen[3]) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[16];
    if (!take_string(c, key, sizeof key) || !take(c, ":")) return false;
    int k = 0;
    while (k < 3 && strcmp(key, keys[k]) != 0) k++;
    if (k == 3 || seen[k]) return false;
    seen[k] = true;
    if (k == 0) return take_string(c, h->descr, sizeof h->descr);
    if (k == 2) return take_shape(c, h);
    h->fortran_order = take(c, "True");
    return h->fortran_order || take(c, "False");
}

/* Exactly the three entries, then spaces and the line feed that the format demands. */
static bool take_header(cursor *c, header *h) {
    bool seen[3] = {false};
    if (!take(c, "{")) return false;
    while (!take(c, "}")) {
        if (!take_entry(c, h, seen)) return false;
        if (take(c, ",")) continue;
        if (!take(c, "}")) return false;
        break;
    }
    return seen[0] && seen[1] && seen[2] && take(c, "\n") && c->next == c->end;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static tn_status find_type(const header *h, tn_dtype *dtype, tn_error *error) {
    for (int i = 0; i < TN_N_DTYPES; i++) {
        if (!types[i].descr || strcmp(h->descr, types[i].descr) != 0) continue;
        *dtype = (tn_dtype)i;
        return TN_OK;
    }
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "it holds elements of type '%s' (supported are little-endian integers, bool, "
                   "<f2, <f4 and <f8; convert it with numpy's astype)",
                   h->descr);
}

static tn_status interpret(const header *h, int64_t data_bytes, tn_tensor *tensor,
                           tn_error *error) {
    TN_TRY(find_type(h, &tensor->dtype, error));
    if (h->fortran_order)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "the array is in Fortran order (save numpy.ascontiguousarray of it)");
    if (h->rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "it has %d dimensions (at most %d are supported)",
                       h->rank, TN_MAX_RANK);
    tensor->rank = h->rank;
    memcpy(tensor->dims, h->dims, sizeof h->dims);
    int64_t bytes;
    if (!tn_size_product(h->dims, h->rank, &bytes) ||
        !tn_size_mul(bytes, types[tensor->dtype].bytes, &bytes))
        return tn_fail(error, TN_ERR_FORMAT, "the dimensions are too large");
    if (bytes != data_bytes)
        return tn_fail(error, TN_ERR_FORMAT, "its shape needs %lld bytes, %lld follow the header",
                       (long long)bytes, (long long)data_bytes);
    tensor->bytes = (size_t)bytes;
    return TN_OK;
}

/* Where the header's text begins and how long it is. */
static tn_status find_header(const uint8_t *bytes, int64_t n, int64_t *begin, int64_t *length,
                             tn_error *error) {
    int64_t version_end = magic_bytes + version_bytes;
    if (n < magic_bytes || memcmp(bytes, magic, magic_bytes) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "it is not a .npy file");
    int major = n < version_end ? 1 : bytes[6], minor = n < version_end ? 0 : bytes[7];
    if (major < 1 || major > 2 || minor != 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "it is a .npy file of version %d.%d (supported are 1.0 and 2.0)", major,
                       minor);
    *begin = version_end + (major == 1 ? 2 : 4);
    if (n < *begin) return tn_fail(error, TN_ERR_FORMAT, "the file ends within the header");
    const uint8_t *b = bytes + version_end;
    *length = b[0] | (int64_t)b[1] << 8;
    if (major == 2) *length |= (int64_t)b[2] << 16 | (int64_t)b[3] << 24;
    if (n - *begin < *length)
        return tn_fail(error, TN_ERR_FORMAT, "the file ends within the header");
    return TN_OK;
}

tn_status tn_npy_parse(const void *bytes, int64_t n, tn_tensor *tensor, tn_error *error) {
    int64_t begin = 0, length = 0;
    TN_TRY(find_header(bytes, n, &begin, &length, error));
    const char *text = (const char *)bytes + begin;
    cursor c = {text, text + length};
    header h = {0};
    if (!take_header(&c, &h))
        return tn_fail(error, TN_ERR_FORMAT, "the .npy header is damaged at byte %lld",
                       (long long)(begin + (c.next - text)));
    tn_tensor parsed = {0};
    TN_TRY(interpret(&h, n - begin - length, &parsed, error));
    parsed.data = tn_aligned_alloc(parsed.bytes);
    if (!parsed.data) return tn_fail_memory(error);
    memcpy(parsed.data, text + length, parsed.bytes);
    for (size_t i = 0; i < parsed.bytes && parsed.dtype == TN_BOOL; i++)
        if (((uint8_t *)parsed.data)[i] > 1) {
            free(parsed.data);
            return tn_fail(error, TN_ERR_FORMAT, "element %zu is no bool", i);
        }
    *tensor = parsed;
    return TN_OK;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static tn_status check_tensor(const tn_tensor *tensor, int64_t *bytes, tn_error *error) {
    if ((int)tensor->dtype < 0 || (int)tensor->dtype >= TN_N_DTYPES)
        return tn_fail(error, TN_ERR_ARGUMENT, "no such element type: %d", (int)tensor->dtype);
    if (!types[tensor->dtype].descr)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "a .npy file cannot hold bfloat16 (use .pb, or convert it)");
    if (tensor->rank < 0 || tensor->rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_ARGUMENT, "a tensor cannot have %d dimensions", tensor->rank);
    if (!tn_size_product(tensor->dims, tensor->rank, bytes) ||
        !tn_size_mul(*bytes, types[tensor->dtype].bytes, bytes))
        return tn_fail(error, TN_ERR_ARGUMENT, "the tensor's dimensions are negative or too large");
    if (tensor->bytes < (uint64_t)*bytes || (*bytes > 0 && !tensor->data))
        return tn_fail(error, TN_ERR_ARGUMENT, "the tensor's shape needs %lld bytes, it has %zu",
                       (long long)*bytes, tensor->data ? tensor->bytes : 0);
    return TN_OK;
}

/* The dictionary as numpy writes it; its length. */
static int print_header(const tn_tensor *tensor, char *text, size_t room) {
    char shape[TN_MAX_RANK * 22 + 4] = "";
    int n = 0;
    for (int i = 0; i < tensor->rank; i++)
        n += snprintf(shape + n, sizeof shape - (size_t)n, "%s%lld%s", i ? ", " : "",
                      (long long)tensor->dims[i], tensor->rank == 1 ? "," : "");
    return snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                    types[tensor->dtype].descr, shape);
}

tn_status tn_npy_format(const tn_tensor *tensor, void **bytes, size_t *n, tn_error *error) {
    int64_t data_bytes = 0;
    TN_TRY(check_tensor(tensor, &data_bytes, error));
    char text[512];
    int printed = print_header(tensor, text, sizeof text);
    int64_t prefix = magic_bytes + version_bytes + 2;
    int64_t begin = tn_round_up(prefix + printed + 1, alignment); /* of the data; 1: line feed */
    int64_t length = begin - prefix;
    int64_t total;
    if (!tn_size_add(begin, data_bytes, &total)) return tn_fail_memory(error);
    char *file = malloc((size_t)total);
    if (!file) return tn_fail_memory(error);
    memcpy(file, magic, magic_bytes);
    memcpy(file + magic_bytes, (char[]){1, 0, (char)(length & 0xff), (char)(length >> 8)}, 4);
    memset(file + prefix, ' ', (size_t)length);
    memcpy(file + prefix, text, (size_t)printed);
    file[begin - 1] = '\n';
    if (data_bytes > 0) memcpy(file + begin, tensor->data, (size_t)data_bytes);
    *bytes = file;
    *n = (size_t)total;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "data/idx.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/size.h"

/* zlib counts the input in 32 bits. */
static const int64_t max_file_bytes = UINT32_MAX;

enum {
    magic_bytes = 4,
    max_header_bytes = magic_bytes + 4 * TN_IDX_MAX_RANK,
    type_unsigned_byte = 0x08,
    first_growth = 1 << 16,
    /* Deflate cannot expand further: 258 bytes from 2 bits, 1032 to one (RFC 1951), rounded up. */
    max_expansion = 1100
};

/* ---- The header --------------------------------------------------------------------------- */

static tn_status check_type(uint8_t type, tn_error *error) {
    static const struct {
        uint8_t code;
        const char *name;
    } others[] = {{0x09, "signed bytes"},
                  {0x0b, "16-bit integers"},
                  {0x0c, "32-bit integers"},
                  {0x0d, "32-bit floats"},
                  {0x0e, "64-bit floats"}};
    if (type == type_unsigned_byte) return TN_OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (type == others[i].code)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "it holds %s (only unsigned bytes are supported)", others[i].name);
    return tn_fail(error, TN_ERR_FORMAT, "unknown type code 0x%02x in the IDX header", type);
}

static tn_status parse_magic(const uint8_t *bytes, tn_idx *idx, tn_error *error) {
    if (bytes[0] != 0 || bytes[1] != 0)
        return tn_fail(error, TN_ERR_FORMAT,
                       "not an IDX file: it begins with %02x %02x instead of 00 00", bytes[0],
                       bytes[1]);
    TN_TRY(check_type(bytes[2], error));
    if (bytes[3] == 0) return tn_fail(error, TN_ERR_FORMAT, "the IDX header has no dimensions");
    if (bytes[3] > TN_IDX_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "it has %d dimensions (at most %d are supported)",
                       bytes[3], TN_IDX_MAX_RANK);
    idx->rank = bytes[3];
    return TN_OK;
}

static tn_status parse_dims(const uint8_t *bytes, tn_idx *idx, tn_error *error) {
    for (int i = 0; i < idx->rank; i++) {
        const uint8_t *b = bytes + 4 * i;
        idx->dims[i] = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
        if (idx->dims[i] == 0)
            return tn_fail(error, TN_ERR_FORMAT, "dimension %d in the IDX header is zero", i + 1);
    }
    if (!tn_size_product(idx->dims, idx->rank, &idx->bytes))
        return tn_fail(error, TN_ERR_FORMAT, "the dimensions in the IDX header are too large");
    return TN_OK;
}

static const char *item_name(const tn_idx *idx) { return idx->rank == 1 ? "labels" : "images"; }

static tn_status fail_short(const tn_idx *idx, int64_t bytes, tn_error *error) {
    return tn_fail(error, TN_ERR_FORMAT,
                   "header promises %lld %s, the file ends after %lld (download it again)",
                   (long long)idx->dims[0], item_name(idx),
                   (long long)(bytes / (idx->bytes / idx->dims[0])));
}

static tn_status fail_short_header(tn_error *error) {
    return tn_fail(error, TN_ERR_FORMAT, "the file ends within the header (download it again)");
}

/* ---- Raw files ---------------------------------------------------------------------------- */

static tn_status parse_raw(const uint8_t *bytes, int64_t n, tn_idx *idx, tn_error *error) {
    if (n < magic_bytes) return fail_short_header(error);
    TN_TRY(parse_magic(bytes, idx, error));
    int64_t header = magic_bytes + 4 * idx->rank;
    if (n < header) return fail_short_header(error);
    TN_TRY(parse_dims(bytes + magic_bytes, idx, error));
    if (n - header < idx->bytes) return fail_short(idx, n - header, error);
    if (n - header > idx->bytes)
        return tn_fail(
            error, TN_ERR_FORMAT, "%lld bytes follow the %lld %s that the header promises",
            (long long)(n - header - idx->bytes), (long long)idx->dims[0], item_name(idx));
    idx->data = malloc((size_t)idx->bytes);
    if (!idx->data) return tn_fail_memory(error);
    memcpy(idx->data, bytes + header, (size_t)idx->bytes);
    return TN_OK;
}

/* ---- Gzipped files ------------------------------------------------------------------------ */

static bool is_gzip(const uint8_t *bytes, int64_t n) {
    return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* The members of a gzip file as one stream. */
typedef struct gunzip {
    z_stream z;
    bool ended; /* the last member is complete and checked */
} gunzip;

/* After a member: another one follows, or the file ends. */
static tn_status next_member(gunzip *g, tn_error *error) {
    g->ended = g->z.avail_in == 0;
    if (g->ended) return TN_OK;
    if (!is_gzip(g->z.next_in, g->z.avail_in))
        return tn_fail(error, TN_ERR_FORMAT, "%lld bytes follow the end of the compressed data",
                       (long long)g->z.avail_in);
    return inflateReset(&g->z) == Z_OK ? TN_OK : tn_fail_memory(error);
}

/* Inflates until `out` is full or the file ends; *got tells how much came. */
static tn_status inflate_some(gunzip *g, uint8_t *out, int64_t bytes, int64_t *got,
                              tn_error *error) {
    *got = 0;
    while (*got < bytes && !g->ended) {
        uInt room = (uInt)tn_min_i64(bytes - *got, 1 << 30);
        g->z.next_out = out + *got;
        g->z.avail_out = room;
        int result = inflate(&g->z, Z_NO_FLUSH);
        *got += room - g->z.avail_out;
        if (result == Z_STREAM_END) {
            TN_TRY(next_member(g, error));
        } else if (result == Z_MEM_ERROR) {
            return tn_fail_memory(error);
        } else if (result == Z_BUF_ERROR) {
            return TN_OK; /* the input is used up; the caller finds too little, or no end */
        } else if (result != Z_OK) {
            return tn_fail(error, TN_ERR_FORMAT,
                           "the compressed data is damaged: %s (download it again)",
                           g->z.msg ? g->z.msg : "it needs a dictionary");
        }
    }
    return TN_OK;
}

/* Doubles the memory as data comes, so that a header alone can claim nothing. */
static tn_status inflate_data(gunzip *g, tn_idx *idx, tn_error *error) {
    int64_t capacity = 0, n = 0;
    while (n < idx->bytes) {
        capacity = tn_min_i64(tn_max_i64(2 * capacity, first_growth), idx->bytes);
        uint8_t *grown = realloc(idx->data, (size_t)capacity);
        if (!grown) return tn_fail_memory(error);
        idx->data = grown;
        int64_t got = 0;
        TN_TRY(inflate_some(g, idx->data + n, capacity - n, &got, error));
        n += got;
        if (n < capacity) return fail_short(idx, n, error);
    }
    return TN_OK;
}

/* The data is out: nothing more may come, and the checksum must fit. */
static tn_status inflate_end(gunzip *g, const tn_idx *idx, tn_error *error) {
    uint8_t beyond;
    int64_t got = 0;
    TN_TRY(inflate_some(g, &beyond, 1, &got, error));
    if (got > 0)
        return tn_fail(error, TN_ERR_FORMAT, "it holds more than the %lld %s its header promises",
                       (long long)idx->dims[0], item_name(idx));
    if (!g->ended)
        return tn_fail(error, TN_ERR_FORMAT,
                       "the compressed data ends without its checksum (download it again)");
    return TN_OK;
}

static tn_status parse_inflated(gunzip *g, int64_t n_compressed, tn_idx *idx, tn_error *error) {
    uint8_t header[max_header_bytes];
    int64_t got = 0;
    TN_TRY(inflate_some(g, header, magic_bytes, &got, error));
    if (got < magic_bytes) return fail_short_header(error);
    TN_TRY(parse_magic(header, idx, error));
    TN_TRY(inflate_some(g, header, 4 * (int64_t)idx->rank, &got, error));
    if (got < 4 * idx->rank) return fail_short_header(error);
    TN_TRY(parse_dims(header, idx, error));
    if (idx->bytes / max_expansion > n_compressed)
        return tn_fail(error, TN_ERR_FORMAT,
                       "header promises %lld bytes, which %lld compressed bytes cannot hold",
                       (long long)idx->bytes, (long long)n_compressed);
    TN_TRY(inflate_data(g, idx, error));
    return inflate_end(g, idx, error);
}

static tn_status parse_gzip(const uint8_t *bytes, int64_t n, tn_idx *idx, tn_error *error) {
    if (n > max_file_bytes)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "more than %lld compressed bytes",
                       (long long)max_file_bytes);
    gunzip g = {.z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n}};
    /* 16 asks for gzip and nothing else, 15 for the largest window. */
    if (inflateInit2(&g.z, 16 + 15) != Z_OK) return tn_fail_memory(error);
    tn_status status = parse_inflated(&g, n, idx, error);
    inflateEnd(&g.z);
    return status;
}

/* ---- Both --------------------------------------------------------------------------------- */

tn_status tn_idx_parse(const void *bytes, int64_t n, tn_idx *idx, tn_error *error) {
    tn_idx parsed = {0};
    tn_status status = is_gzip(bytes, n) ? parse_gzip(bytes, n, &parsed, error)
                                         : parse_raw(bytes, n, &parsed, error);
    if (status == TN_OK)
        *idx = parsed;
    else
        tn_idx_free(&parsed);
    return status;
}

tn_status tn_idx_read(const char *path, tn_idx *idx, tn_error *error) {
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n, error));
    tn_status status = tn_idx_parse(bytes, n, idx, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", path);
}

void tn_idx_free(tn_idx *idx) {
    free(idx->data);
    *idx = (tn_idx){0};
}

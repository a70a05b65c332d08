/* SPDX-License-Identifier: Apache-2.0 */
/* event_reader.h: takes event files apart: records, checksums, protocol-buffer fields. Knows
 * nothing of what wrote them but the checksum. Include after cmocka.h. */
#ifndef TN_TESTS_EVENT_READER_H
#define TN_TESTS_EVENT_READER_H

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/file.h"

/* A stretch of bytes; the reader moves its beginning. */
typedef struct stretch {
    const uint8_t *at, *end;
} stretch;

static inline uint64_t little_endian(const uint8_t *b, int n) {
    uint64_t v = 0;
    for (int i = n; i-- > 0;) v = v << 8 | b[i];
    return v;
}

static inline uint64_t varint(stretch *b) {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(b->at < b->end && shift < 64);
        v |= (uint64_t)(*b->at & 0x7f) << shift;
        if (!(*b->at++ & 0x80)) return v;
    }
}

typedef struct field {
    int number, wire_type;
    uint64_t value;  /* of a varint, or the bits of a number */
    stretch content; /* of what has a length */
} field;

static inline bool next_field(stretch *message, field *f) {
    if (message->at == message->end) return false;
    uint64_t key = varint(message);
    *f = (field){.number = (int)(key >> 3), .wire_type = (int)(key & 7)};
    if (f->wire_type == 0) {
        f->value = varint(message);
        return true;
    }
    int64_t n = f->wire_type == 1 ? 8 : f->wire_type == 5 ? 4 : (int64_t)varint(message);
    assert_true(f->wire_type == 1 || f->wire_type == 2 || f->wire_type == 5);
    assert_true(n <= message->end - message->at);
    if (f->wire_type != 2) f->value = little_endian(message->at, (int)n);
    f->content = (stretch){message->at, message->at + n};
    message->at += n;
    return true;
}

static inline field get(stretch message, int number) {
    field f = {0};
    while (next_field(&message, &f))
        if (f.number == number) return f;
    fail_msg("there is no field %d", number);
    return f;
}

static inline bool has(stretch message, int number) {
    field f = {0};
    while (next_field(&message, &f))
        if (f.number == number) return true;
    return false;
}

static inline double real_of(field f) {
    double v;
    assert_int_equal(f.wire_type, 1);
    memcpy(&v, &f.value, sizeof v);
    return v;
}

static inline float float_of(field f) {
    float v;
    uint32_t bits = (uint32_t)f.value;
    assert_int_equal(f.wire_type, 5);
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline void assert_text(field f, const char *text) {
    assert_int_equal(f.wire_type, 2);
    assert_int_equal(f.content.end - f.content.at, strlen(text));
    assert_memory_equal(f.content.at, text, strlen(text));
}

static inline uint32_t unmask(uint64_t masked) {
    uint32_t rotated = (uint32_t)masked - 0xa282ead8u;
    return rotated >> 17 | rotated << 15;
}

enum { max_events = 256 };

typedef struct event_file {
    uint8_t *data;
    stretch events[max_events];
    int n;
} event_file;

static inline event_file take_apart(const char *path) {
    event_file file = {0};
    int64_t size;
    assert_int_equal(tn_file_read(path, 1 << 24, (void **)&file.data, &size, NULL), TN_OK);
    for (int64_t at = 0; at < size;) {
        assert_true(size - at >= 16 && file.n < max_events);
        uint64_t n = little_endian(file.data + at, 8);
        assert_true(n <= (uint64_t)(size - at - 16));
        assert_int_equal(unmask(little_endian(file.data + at + 8, 4)),
                         tn_crc32c(file.data + at, 8));
        const uint8_t *data = file.data + at + 12;
        assert_int_equal(unmask(little_endian(data + n, 4)), tn_crc32c(data, n));
        file.events[file.n++] = (stretch){data, data + n};
        at += (int64_t)(16 + n);
    }
    return file;
}

/* How many event files are in dir; path becomes that of the last one found. */
static inline int find_files(const char *dir, char path[1024]) {
    int n = 0;
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0) {
            snprintf(path, 1024, "%s/%s", dir, entry->d_name);
            n++;
        }
    closedir(stream);
    return n;
}

static inline event_file only_file(const char *dir) {
    char path[1024];
    assert_int_equal(find_files(dir, path), 1);
    return take_apart(path);
}

/* The value of an event with one. */
static inline stretch value_of(stretch event, const char *tag, int64_t step) {
    assert_int_equal(get(event, 2).value, step);
    assert_true(fabs(real_of(get(event, 1)) - (double)time(NULL)) < 600);
    stretch value = get(get(event, 5).content, 1).content;
    assert_text(get(value, 1), tag);
    return value;
}

#endif

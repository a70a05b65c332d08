/* SPDX-License-Identifier: Apache-2.0 */
/* events.c: TensorBoard's event files: records as TensorFlow frames them (core/lib/io/
 * record_writer.h), each a protocol-buffer Event. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "report/event.pb-c.h"
#include "report/histogram.h"
#include "report/png.h"

struct tn_events {
    FILE *file;
    char *path;
    tn_status status; /* of the first failure */
    tn_error failure;
};

/* ---- Records ------------------------------------------------------------------------------ */

static void put_little_endian(uint8_t *to, uint64_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++) to[i] = (uint8_t)(value >> 8 * i);
}

/* A checksum of data that holds checksums itself would be weak: TensorFlow rotates and shifts. */
static uint32_t masked_crc(const void *data, size_t bytes) {
    uint32_t crc = tn_crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* The first failure counts; nothing is written after it, so a broken record is the last. */
static void fail_io(tn_events *events, int reason) {
    if (events->status != TN_OK) return;
    tn_fail_errno(&events->failure, reason, "cannot write %s", events->path);
    events->status = reason == ENOMEM ? TN_ERR_MEMORY : TN_ERR_IO;
}

/* Length and its checksum, data and its checksum. */
static void write_record(tn_events *events, const TnEvent__Event *event) {
    size_t bytes = tn_event__event__get_packed_size(event);
    uint8_t *record = malloc(8 + 4 + bytes + 4);
    if (!record) {
        fail_io(events, ENOMEM);
        return;
    }
    put_little_endian(record, bytes, 8);
    put_little_endian(record + 8, masked_crc(record, 8), 4);
    tn_event__event__pack(event, record + 12);
    put_little_endian(record + 12 + bytes, masked_crc(record + 12, bytes), 4);
    if (fwrite(record, 12 + bytes + 4, 1, events->file) != 1) fail_io(events, errno);
    free(record);
}

static double wall_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Readers take a message with a string that is not UTF-8 for damage. */
static void clean_tag(char *tag) {
    if (tn_text_is_utf8(tag)) return;
    for (; *tag; tag++)
        if ((unsigned char)*tag >= 0x80) *tag = '?';
}

/* A summary of one value. */
static void write_value(tn_events *events, const char *tag, int64_t step,
                        TnEvent__Summary__Value *value) {
    char *name = strdup(tag);
    if (!name) {
        fail_io(events, ENOMEM);
        return;
    }
    clean_tag(name);
    value->tag = name;
    TnEvent__Summary summary = TN_EVENT__SUMMARY__INIT;
    summary.n_value = 1;
    summary.value = &value;
    TnEvent__Event event = TN_EVENT__EVENT__INIT;
    event.has_wall_time = 1;
    event.wall_time = wall_time();
    event.has_step = 1;
    event.step = step;
    event.summary = &summary;
    write_record(events, &event);
    free(name);
}

/* Whether there is anything to write to; a caller's fault sticks like any other failure. */
static bool accepts(tn_events *events, const char *tag, bool good, const char *why) {
    if (!events || events->status != TN_OK) return false;
    if (tag && good) return true;
    events->status = tn_fail(&events->failure, TN_ERR_ARGUMENT, "cannot write %s to %s: %s",
                             tag ? tag : "an event", events->path, tag ? why : "its tag is NULL");
    return false;
}

/* ---- Opening and closing ------------------------------------------------------------------ */

static void get_host(char host[256]) {
    if (gethostname(host, 256) != 0 || !host[0]) strcpy(host, "localhost");
    host[255] = '\0';
    for (char *c = host; *c; c++)
        if (*c == '/') *c = '_';
}

/* A new file, even if several are opened within a second. */
static tn_status open_file(tn_events *events, const char *dir, tn_error *error) {
    char host[256];
    get_host(host);
    size_t room = strlen(dir) + sizeof host + 128;
    events->path = malloc(room);
    if (!events->path) return tn_fail_memory(error);
    int fd = -1;
    for (int n = 0; fd < 0 && (n == 0 || errno == EEXIST) && n < 1000; n++) {
        snprintf(events->path, room, "%s/events.out.tfevents.%010lld.%s.%ld.%d", dir,
                 (long long)time(NULL), host, (long)getpid(), n);
        fd = open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    events->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (events->file) return TN_OK;
    int reason = errno;
    if (fd >= 0) close(fd);
    tn_fail_errno(error, reason, "cannot write event files to %s", dir);
    return reason == ENOMEM ? TN_ERR_MEMORY : TN_ERR_IO;
}

static void release(tn_events *events) {
    if (events->file) fclose(events->file);
    free(events->path);
    free(events);
}

tn_status tn_events_open(const char *dir, tn_events **events, tn_error *error) {
    if (!dir || !*dir || !events)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot write event files: no directory is named");
    int reason = tn_directory_make(dir, NULL);
    if (reason != 0) {
        tn_fail_errno(error, reason, "cannot write event files to %s", dir);
        return TN_ERR_IO;
    }
    tn_events *opened = calloc(1, sizeof *opened);
    if (!opened) return tn_fail_memory(error);
    tn_status status = open_file(opened, dir, error);
    if (status == TN_OK) {
        TnEvent__Event first = TN_EVENT__EVENT__INIT;
        first.has_wall_time = 1;
        first.wall_time = wall_time();
        first.file_version = (char *)"brain.Event:2";
        write_record(opened, &first);
        tn_events_flush(opened);
        status = opened->status;
        if (status != TN_OK && error) *error = opened->failure;
    }
    if (status == TN_OK)
        *events = opened;
    else
        release(opened);
    return status;
}

void tn_events_flush(tn_events *events) {
    if (events && events->status == TN_OK && fflush(events->file) != 0) fail_io(events, errno);
}

tn_status tn_events_close(tn_events *events, tn_error *error) {
    if (!events) return TN_OK;
    if (fclose(events->file) != 0) fail_io(events, errno);
    events->file = NULL;
    tn_status status = events->status;
    if (status != TN_OK && error) *error = events->failure;
    release(events);
    return status;
}

/* ---- Values ------------------------------------------------------------------------------- */

void tn_events_scalar(tn_events *events, const char *tag, int64_t step, double value) {
    if (!accepts(events, tag, true, "")) return;
    TnEvent__Summary__Value v = TN_EVENT__SUMMARY__VALUE__INIT;
    v.has_simple_value = 1;
    v.simple_value = (float)value;
    write_value(events, tag, step, &v);
}

void tn_events_histogram(tn_events *events, const char *tag, int64_t step, const float *values,
                         int64_t n) {
    if (!accepts(events, tag, n >= 0 && (values || n == 0), "there are no values")) return;
    tn_histogram *h = malloc(sizeof *h);
    if (!h) {
        fail_io(events, ENOMEM);
        return;
    }
    tn_histogram_fill(values, n, h);
    TnEvent__HistogramProto histo = TN_EVENT__HISTOGRAM_PROTO__INIT;
    histo.has_min = histo.has_max = histo.has_num = histo.has_sum = histo.has_sum_squares = 1;
    histo.min = h->min;
    histo.max = h->max;
    histo.num = (double)h->n;
    histo.sum = h->sum;
    histo.sum_squares = h->sum_squares;
    histo.n_bucket = histo.n_bucket_limit = (size_t)h->n_buckets;
    histo.bucket_limit = h->limits;
    histo.bucket = h->counts;
    TnEvent__Summary__Value v = TN_EVENT__SUMMARY__VALUE__INIT;
    v.histo = &histo;
    write_value(events, tag, step, &v);
    free(h);
}

void tn_events_image(tn_events *events, const char *tag, int64_t step, int64_t height,
                     int64_t width, int64_t channels, const uint8_t *pixels) {
    if (!accepts(events, tag, true, "")) return;
    void *png = NULL;
    size_t bytes = 0;
    tn_error error = {""};
    tn_status status = tn_png_encode(height, width, channels, pixels, &png, &bytes, &error);
    if (status != TN_OK) {
        accepts(events, tag, false, error.message);
        return;
    }
    TnEvent__Summary__Image image = TN_EVENT__SUMMARY__IMAGE__INIT;
    image.has_height = image.has_width = image.has_colorspace = image.has_encoded_image_string = 1;
    image.height = (int32_t)height;
    image.width = (int32_t)width;
    image.colorspace = (int32_t)channels; /* 1 grey, 3 RGB */
    image.encoded_image_string = (ProtobufCBinaryData){bytes, png};
    TnEvent__Summary__Value v = TN_EVENT__SUMMARY__VALUE__INIT;
    v.image = &image;
    write_value(events, tag, step, &v);
    free(png);
}

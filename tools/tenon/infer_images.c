/* SPDX-License-Identifier: Apache-2.0 */
#include "infer_images.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "message.h"
#include "picture.h"
#include "terminal.h"
#include "text.h"

enum { DRAWN_BY_DEFAULT = 12 };

typedef struct batch {
    FILE *out;
    json_t *images;
    tn_model_info model;
    int64_t n_classes, image_bytes, n;
    bool invert, draw;
    tn_fit fit;
    uint8_t *pixels;    /* [n][image_bytes] */
    float *scores;      /* [n][n_classes] */
    const char **files; /* [n] */
    bool *resized;      /* [n] */
    picture *pictures;  /* [n], if drawn */
    double seconds;
} batch;

typedef struct verdict {
    int64_t first, second; /* classes; second is -1 if there is one class only */
    double p_first, p_second;
} verdict;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The two most probable classes. Softmax is the same for logits and for their log-softmax. */
static verdict judge(const float *scores, int64_t n) {
    verdict v = {.first = 0, .second = -1};
    for (int64_t i = 1; i < n; i++) {
        if (scores[i] > scores[v.first]) {
            v.second = v.first;
            v.first = i;
        } else if (v.second < 0 || scores[i] > scores[v.second]) {
            v.second = i;
        }
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp((double)scores[i] - scores[v.first]);
    v.p_first = 1 / sum;
    if (v.second >= 0) v.p_second = exp((double)scores[v.second] - scores[v.first]) / sum;
    return v;
}

static const char *class_name(const batch *b, int64_t i, char *number) {
    if (i < b->model.n_classes && b->model.class_names) return b->model.class_names[i];
    snprintf(number, TEXT_NUMBER, "%" PRId64, i);
    return number;
}

static void put_line(const batch *b, int64_t i, const verdict *v) {
    char file[1024], name[256], number[TEXT_NUMBER], percent[TEXT_NUMBER];
    say(b->out, "%s: %s (%s)", text_clean(file, sizeof file, b->files[i]),
        text_clean(name, sizeof name, class_name(b, v->first, number)),
        text_percent(percent, v->p_first));
    if (v->second >= 0)
        say(b->out, ", else %s (%s)",
            text_clean(name, sizeof name, class_name(b, v->second, number)),
            text_percent(percent, v->p_second));
    if (b->resized[i])
        say(b->out, " [resized to %" PRId64 "x%" PRId64 "]", b->model.width, b->model.height);
    say(b->out, "\n");
}

static void fill_picture(const batch *b, int64_t i, const verdict *v) {
    char name[80], number[TEXT_NUMBER], percent[TEXT_NUMBER];
    const char *slash = strrchr(b->files[i], '/');
    picture *p = &b->pictures[i];
    *p = (picture){.pixels = b->pixels + i * b->image_bytes,
                   .height = b->model.height,
                   .width = b->model.width,
                   .channels = b->model.channels};
    snprintf(p->caption[0], sizeof p->caption[0], "%s  %s",
             text_clean(name, sizeof name, class_name(b, v->first, number)),
             text_percent(percent, v->p_first));
    if (v->second >= 0)
        snprintf(p->caption[1], sizeof p->caption[1], "(else %s  %s)",
                 text_clean(name, sizeof name, class_name(b, v->second, number)),
                 text_percent(percent, v->p_second));
    snprintf(p->caption[2], sizeof p->caption[2], "%.100s%s", slash ? slash + 1 : b->files[i],
             b->resized[i] ? ", resized" : "");
}

static void put_json(const batch *b, int64_t i, const verdict *v) {
    char number[TEXT_NUMBER];
    json_t *o = json_object();
    json_put_text(o, "file", b->files[i]);
    json_put_integer(o, "class", v->first);
    json_put_text(o, "class_name", class_name(b, v->first, number));
    json_put_real(o, "probability", v->p_first);
    if (v->second >= 0) {
        json_put_integer(o, "second_class", v->second);
        json_put_text(o, "second_class_name", class_name(b, v->second, number));
        json_put_real(o, "second_probability", v->p_second);
    }
    json_put_bool(o, "resized", b->resized[i]);
    json_array_append_new(b->images, o);
}

/* Reads files into the batch; returns how many could not be read. */
static int read_images(batch *b, const char *const *files, int64_t n) {
    int n_failed = 0;
    b->n = 0;
    for (int64_t i = 0; i < n; i++) {
        tn_error error = {""};
        uint8_t *pixels = b->pixels + b->n * b->image_bytes;
        if (tn_image_read(files[i], b->model.height, b->model.width, b->model.channels, b->fit,
                          pixels, &b->resized[b->n], &error) != TN_OK) {
            fail_error(&error);
            n_failed++;
            continue;
        }
        for (int64_t j = 0; j < b->image_bytes && b->invert; j++)
            pixels[j] = (uint8_t)(255 - pixels[j]);
        b->files[b->n++] = files[i];
    }
    return n_failed;
}

void infer_warn_not_finite(void) {
    warn("the model's scores are not finite numbers: its weights may be damaged");
}

static tn_status classify(batch *b, tn_session *session, tn_error *error) {
    double start = now();
    tn_status status = tn_session_classify(session, b->pixels, b->n, b->scores, error);
    b->seconds += now() - start;
    if (status != TN_OK) return status;
    for (int64_t i = 0; i < b->n; i++) {
        verdict v = judge(b->scores + i * b->n_classes, b->n_classes);
        put_json(b, i, &v);
        if (!isfinite(v.p_first)) infer_warn_not_finite();
        if (b->draw)
            fill_picture(b, i, &v);
        else
            put_line(b, i, &v);
    }
    if (b->draw && b->out) {
        fputc('\n', b->out);
        pictures_draw(b->out, b->pictures, (int)b->n);
    }
    return TN_OK;
}

static bool allocate(batch *b, int64_t n) {
    size_t count = (size_t)n;
    b->pixels = calloc(count, (size_t)b->image_bytes);
    b->scores = calloc(count, (size_t)b->n_classes * sizeof *b->scores);
    b->files = calloc(count, sizeof *b->files);
    b->resized = calloc(count, sizeof *b->resized);
    b->pictures = b->draw ? calloc(count, sizeof *b->pictures) : NULL;
    return b->pixels && b->scores && b->files && b->resized && (!b->draw || b->pictures);
}

static void release(batch *b) {
    free(b->pixels);
    free(b->scores);
    free(b->files);
    free(b->resized);
    free(b->pictures);
}

/* The sizes come from a file: an image of 2^31 by 2^31 pixels is refused here. */
static bool measure(batch *b, const tn_session *session, tn_error *error) {
    tn_tensor scores;
    if (tn_session_output(session, 0, 1, &scores, error) != TN_OK) return false;
    b->n_classes = 1;
    for (int i = 1; i < scores.rank; i++) b->n_classes *= scores.dims[i];
    if (b->n_classes <= 0 ||
        __builtin_mul_overflow(b->model.height, b->model.width, &b->image_bytes) ||
        __builtin_mul_overflow(b->image_bytes, b->model.channels, &b->image_bytes) ||
        (b->model.channels != 1 && b->model.channels != 3)) {
        snprintf(error->message, sizeof error->message,
                 "cannot read images for this model: it takes %" PRId64 " channels of %" PRId64
                 "x%" PRId64 " pixels (pictures give 1 or 3)",
                 b->model.channels, b->model.height, b->model.width);
        return false;
    }
    return true;
}

int infer_images(FILE *out, const tn_model *model, tn_session *session, const char *const *files,
                 int n_files, const image_options *options, json_t *results) {
    tn_error error = {""};
    batch b = {.out = out, .images = json_array(), .invert = options->invert, .fit = options->fit};
    bool small = n_files <= DRAWN_BY_DEFAULT && terminal_of(out).live;
    b.draw = options->draw == IMAGES_DRAW || (options->draw == IMAGES_DRAW_ON_TERMINAL && small);
    b.model = TN_INIT(tn_model_info);
    tn_model_describe(model, &b.model);
    json_object_set_new(results, "images", b.images);
    if (!measure(&b, session, &error)) return fail_error(&error);
    int64_t capacity = n_files < options->batch_size ? n_files : options->batch_size;
    int n_failed = 0, code = EXIT_DONE;
    if (!allocate(&b, capacity)) code = fail("out of memory");
    for (int64_t i = 0; i < n_files && code == EXIT_DONE; i += capacity) {
        n_failed += read_images(&b, files + i, n_files - i < capacity ? n_files - i : capacity);
        if (b.n > 0 && classify(&b, session, &error) != TN_OK) code = fail_error(&error);
    }
    release(&b);
    json_put_real(results, "seconds", b.seconds);
    json_put_real(results, "images_per_s", (n_files - n_failed) / b.seconds);
    return code == EXIT_DONE && n_failed > 0 ? EXIT_FAILED : code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "infer_images.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "latency.h"
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
    int64_t resize_shorter; /* 0: as fit says */
    int top;
    int64_t repeat;
    latencies times; /* of repeated runs */
    int64_t repeated_images;
    double repeated_seconds;
    uint8_t *pixels;    /* [n][image_bytes] */
    float *scores;      /* [n][n_classes] */
    const char **files; /* [n] */
    bool *resized;      /* [n] */
    picture *pictures;  /* [n], if drawn */
    double seconds;
    int64_t capacity; /* images of a run */
} batch;

/* The most probable classes, first the most probable one. */
typedef struct verdict {
    int n; /* at least 1 */
    int64_t classes[IMAGES_MOST_TOP];
    double p[IMAGES_MOST_TOP];
} verdict;

/* Puts class i to its place among the first v->n, at most `most`. */
static void rank(verdict *v, int most, const float *scores, int64_t i) {
    int at = v->n;
    while (at > 0 && scores[i] > scores[v->classes[at - 1]]) at--;
    if (at == most) return;
    if (v->n < most) v->n++;
    for (int k = v->n - 1; k > at; k--) v->classes[k] = v->classes[k - 1];
    v->classes[at] = i;
}

/* Softmax is the same for logits and for their log-softmax. */
static verdict judge(const batch *b, const float *scores) {
    verdict v = {0};
    double sum = 0;
    for (int64_t i = 0; i < b->n_classes; i++) rank(&v, b->top, scores, i);
    for (int64_t i = 0; i < b->n_classes; i++) sum += exp((double)scores[i] - scores[v.classes[0]]);
    for (int k = 0; k < v.n; k++)
        v.p[k] = exp((double)scores[v.classes[k]] - scores[v.classes[0]]) / sum;
    return v;
}

static const char *class_name(const batch *b, int64_t i, char *number) {
    if (i < b->model.n_classes && b->model.class_names) return b->model.class_names[i];
    snprintf(number, TEXT_NUMBER, "%" PRId64, i);
    return number;
}

static void say_resized(const batch *b, int64_t i) {
    if (b->resized[i])
        say(b->out, " [resized to %" PRId64 "x%" PRId64 "]", b->model.width, b->model.height);
    say(b->out, "\n");
}

/* On one line if there are two, else on one each. */
static void put_line(const batch *b, int64_t i, const verdict *v) {
    char file[1024], name[256], number[TEXT_NUMBER], percent[TEXT_NUMBER];
    say(b->out, "%s:", text_clean(file, sizeof file, b->files[i]));
    if (v->n > 2) say_resized(b, i);
    for (int k = 0; k < v->n; k++) {
        text_clean(name, sizeof name, class_name(b, v->classes[k], number));
        text_percent(percent, v->p[k]);
        if (v->n > 2)
            say(b->out, "  %9s  %s\n", percent, name);
        else
            say(b->out, "%s %s (%s)", k > 0 ? ", else" : "", name, percent);
    }
    if (v->n <= 2) say_resized(b, i);
}

static void fill_picture(const batch *b, int64_t i, const verdict *v) {
    char name[80], number[TEXT_NUMBER], percent[TEXT_NUMBER];
    const char *slash = strrchr(b->files[i], '/');
    picture *p = &b->pictures[i];
    *p = (picture){.pixels = b->pixels + i * b->image_bytes,
                   .height = b->model.height,
                   .width = b->model.width,
                   .channels = b->model.channels};
    for (int k = 0; k < v->n && k < 2; k++)
        snprintf(p->caption[k], sizeof p->caption[k], k == 0 ? "%s  %s" : "(else %s  %s)",
                 text_clean(name, sizeof name, class_name(b, v->classes[k], number)),
                 text_percent(percent, v->p[k]));
    snprintf(p->caption[2], sizeof p->caption[2], "%.100s%s", slash ? slash + 1 : b->files[i],
             b->resized[i] ? ", resized" : "");
}

static void put_json(const batch *b, int64_t i, const verdict *v) {
    static const char *const keys[2][3] = {
        {"class", "class_name", "probability"},
        {"second_class", "second_class_name", "second_probability"}};
    char number[TEXT_NUMBER];
    json_t *o = json_object(), *top = json_array();
    json_put_text(o, "file", b->files[i]);
    for (int k = 0; k < v->n; k++) {
        json_t *one = json_object(), *to[] = {one, o};
        for (int t = 0; t < (k < 2 ? 2 : 1); t++) {
            const char *const *key = t == 0 ? keys[0] : keys[k];
            json_put_integer(to[t], key[0], v->classes[k]);
            json_put_text(to[t], key[1], class_name(b, v->classes[k], number));
            json_put_real(to[t], key[2], v->p[k]);
        }
        json_array_append_new(top, one);
    }
    if (v->n > 2)
        json_object_set_new(o, "top", top);
    else
        json_decref(top);
    json_put_bool(o, "resized", b->resized[i]);
    json_array_append_new(b->images, o);
}

static tn_status read_image(const batch *b, const char *file, uint8_t *pixels, bool *resized,
                            tn_error *error) {
    const tn_model_info *m = &b->model;
    if (b->resize_shorter > 0)
        return tn_image_read_middle(file, b->resize_shorter, m->height, m->width, m->channels,
                                    pixels, resized, error);
    return tn_image_read(file, m->height, m->width, m->channels, b->fit, pixels, resized, error);
}

/* Reads files into the batch; returns how many could not be read. */
static int read_images(batch *b, const char *const *files, int64_t n) {
    int n_failed = 0;
    b->n = 0;
    for (int64_t i = 0; i < n; i++) {
        tn_error error = {""};
        uint8_t *pixels = b->pixels + b->n * b->image_bytes;
        if (read_image(b, files[i], pixels, &b->resized[b->n], &error) != TN_OK) {
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

/* The first of the runs warm up. */
static tn_status repeat(batch *b, tn_session *session, tn_error *error) {
    int64_t warm_up = b->repeat / 10 + 3;
    for (int64_t i = -warm_up; i < b->repeat; i++) {
        double start = clock_seconds();
        tn_status status = tn_session_classify(session, b->pixels, b->n, b->scores, error);
        if (status != TN_OK) return status;
        double seconds = clock_seconds() - start;
        if (i >= 0 && !latencies_add(&b->times, seconds)) {
            snprintf(error->message, sizeof error->message, "out of memory");
            return TN_ERR_MEMORY;
        }
        if (i >= 0) b->repeated_images += b->n;
        if (i >= 0) b->repeated_seconds += seconds;
    }
    return TN_OK;
}

static tn_status classify(batch *b, tn_session *session, tn_error *error) {
    double start = clock_seconds();
    tn_status status = tn_session_classify(session, b->pixels, b->n, b->scores, error);
    b->seconds += clock_seconds() - start;
    if (status != TN_OK) return status;
    for (int64_t i = 0; i < b->n; i++) {
        verdict v = judge(b, b->scores + i * b->n_classes);
        put_json(b, i, &v);
        if (!isfinite(v.p[0])) infer_warn_not_finite();
        if (b->draw)
            fill_picture(b, i, &v);
        else
            put_line(b, i, &v);
    }
    if (b->draw && b->out) {
        fputc('\n', b->out);
        pictures_draw(b->out, b->pictures, (int)b->n);
    }
    return b->repeat > 0 ? repeat(b, session, error) : TN_OK;
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
    free(b->times.items);
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

static void report_times(batch *b, json_t *results) {
    char text[TEXT_NUMBER];
    percentiles p = latencies_percentiles(&b->times);
    double images_per_s = (double)b->repeated_images / b->repeated_seconds;
    say(b->out, "\nlatency   ");
    percentiles_print(b->out, &p);
    say(b->out, " (%" PRId64 " runs of %s%" PRId64 " image%s)\n", b->times.n,
        b->capacity > 1 ? "up to " : "", b->capacity, b->capacity == 1 ? "" : "s");
    say(b->out, "rate      %s images/s\n", text_count(text, (int64_t)images_per_s));
    percentiles_put_json(&p, results);
    json_put_integer(results, "runs", b->times.n);
    json_put_real(results, "images_per_s", images_per_s);
}

int infer_images(FILE *out, const tn_model *model, tn_session *session, const char *const *files,
                 int n_files, const image_options *options, json_t *results) {
    tn_error error = {""};
    tn_preprocessing preprocessing = TN_INIT(tn_preprocessing);
    tn_model_get_preprocessing(model, &preprocessing);
    batch b = {.out = out,
               .images = json_array(),
               .invert = options->invert,
               .fit = options->fit,
               .resize_shorter = preprocessing.resize_shorter,
               .top = options->top,
               .repeat = options->repeat};
    bool small = n_files <= DRAWN_BY_DEFAULT && terminal_of(out).live;
    b.draw = options->draw == IMAGES_DRAW || (options->draw == IMAGES_DRAW_ON_TERMINAL && small);
    b.model = TN_INIT(tn_model_info);
    tn_model_describe(model, &b.model);
    json_object_set_new(results, "images", b.images);
    if (!measure(&b, session, &error)) return fail_error(&error);
    const int64_t capacity = b.capacity =
        n_files < options->batch_size ? n_files : options->batch_size;
    int n_failed = 0, code = EXIT_DONE;
    if (!allocate(&b, capacity)) code = fail("out of memory");
    for (int64_t i = 0; i < n_files && code == EXIT_DONE; i += capacity) {
        n_failed += read_images(&b, files + i, n_files - i < capacity ? n_files - i : capacity);
        if (b.n > 0 && classify(&b, session, &error) != TN_OK) code = fail_error(&error);
    }
    json_put_real(results, "seconds", b.seconds);
    json_put_real(results, "images_per_s", (n_files - n_failed) / b.seconds);
    if (code == EXIT_DONE && b.times.n > 0) report_times(&b, results);
    release(&b);
    return code == EXIT_DONE && n_failed > 0 ? EXIT_FAILED : code;
}

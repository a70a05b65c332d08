/* SPDX-License-Identifier: Apache-2.0 */
/* test_augment.c: changes of images against plain loops, the statistics of what is drawn, and the
 * same batches on any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "data/augment.h"
#include "data/mixup.h"
#include "train/batch.h"

static const tn_image_change unchanged = {.scale = 1};

/* ---- One image ---------------------------------------------------------------------------- */

typedef struct picture {
    tn_image_shape shape;
    uint8_t *src, *dst, *scratch;
} picture;

static int64_t bytes_of(const tn_image_shape *s) { return s->height * s->width * s->channels; }

static picture make_picture(int64_t height, int64_t width, int64_t channels) {
    picture p = {.shape = {height, width, channels}};
    int64_t n = bytes_of(&p.shape);
    p.src = test_malloc((size_t)n);
    p.dst = test_malloc((size_t)n);
    p.scratch = test_calloc(1, (size_t)tn_augment_scratch_bytes(&p.shape));
    tn_random random = tn_random_begin(3, TN_PURPOSE_TEST, (uint64_t)n);
    for (int64_t i = 0; i < n; i++) p.src[i] = (uint8_t)(1 + tn_random_below(&random, 255));
    return p;
}

static void free_picture(picture *p) {
    test_free(p->src);
    test_free(p->dst);
    test_free(p->scratch);
}

static void change(const picture *p, const tn_image_change *c) {
    memset(p->dst, 0xAA, (size_t)bytes_of(&p->shape));
    tn_augment(c, &p->shape, p->src, p->dst, p->scratch);
}

/* Black outside. */
static int source(const picture *p, int64_t y, int64_t x, int64_t c) {
    const tn_image_shape *s = &p->shape;
    if (y < 0 || x < 0 || y >= s->height || x >= s->width) return 0;
    return p->src[(y * s->width + x) * s->channels + c];
}

static const tn_image_shape shapes[] = {{28, 28, 1}, {7, 5, 3}, {4, 9, 2},  {1, 1, 1},
                                        {1, 13, 3},  {9, 1, 1}, {32, 32, 3}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static picture picture_of(int i) {
    return make_picture(shapes[i].height, shapes[i].width, shapes[i].channels);
}

static void no_change_copies(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPES; i++) {
        picture p = picture_of(i);
        change(&p, &unchanged);
        assert_memory_equal(p.dst, p.src, bytes_of(&p.shape));
        free_picture(&p);
    }
}

static void check_moved(const picture *p, int64_t right, int64_t down, bool flip) {
    const tn_image_shape *s = &p->shape;
    tn_image_change c = unchanged;
    c.right = (double)right;
    c.down = (double)down;
    c.flip = flip;
    change(p, &c);
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++)
            for (int64_t k = 0; k < s->channels; k++) {
                int64_t from = flip ? s->width - 1 - (x - right) : x - right;
                assert_int_equal(p->dst[(y * s->width + x) * s->channels + k],
                                 source(p, y - down, from, k));
            }
}

static void whole_moves_and_flips_are_exact(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPES; i++) {
        picture p = picture_of(i);
        for (int64_t down = -6; down <= 6; down++)
            for (int64_t right = -6; right <= 6; right++)
                for (int flip = 0; flip < 2; flip++) check_moved(&p, right, down, flip);
        check_moved(&p, 1000, 0, true);
        check_moved(&p, -1000, 1000, false);
        free_picture(&p);
    }
}

/* Turned by quarters of a square: pixels meet pixels. Clockwise on the screen, where y is down. */
static void right_angles_are_exact(void **state) {
    (void)state;
    for (int64_t n = 1; n <= 29; n += 4) {
        picture p = make_picture(n, n, 3);
        for (int quarters = -2; quarters <= 2; quarters++) {
            tn_image_change c = unchanged;
            c.degrees = 90 * quarters;
            change(&p, &c);
            for (int64_t y = 0; y < n; y++)
                for (int64_t x = 0; x < n; x++) {
                    int64_t from_x = x, from_y = y, last = n - 1;
                    if (quarters == 1) from_x = y, from_y = last - x;
                    if (quarters == -1) from_x = last - y, from_y = x;
                    if (quarters == 2 || quarters == -2) from_x = last - x, from_y = last - y;
                    for (int64_t k = 0; k < 3; k++)
                        assert_int_equal(p.dst[(y * n + x) * 3 + k], source(&p, from_y, from_x, k));
                }
        }
        free_picture(&p);
    }
}

/* The same with an odd height and an even width. */
static void half_a_turn_is_two_flips(void **state) {
    (void)state;
    picture p = make_picture(5, 8, 1);
    tn_image_change c = unchanged;
    c.degrees = 180;
    change(&p, &c);
    for (int i = 0; i < 40; i++) assert_int_equal(p.dst[i], p.src[39 - i]);
    free_picture(&p);
}

/* ---- Against real numbers ----------------------------------------------------------------- */

/* Where pixel (x, y) comes from, by the system's sine and cosine. */
static void find_source(const picture *p, const tn_image_change *c, int64_t x, int64_t y,
                        double *from_x, double *from_y) {
    double a = c->degrees * acos(-1) / 180;
    double middle_x = (double)(p->shape.width - 1) / 2,
           middle_y = (double)(p->shape.height - 1) / 2;
    double u = (double)x - c->right - middle_x, v = (double)y - c->down - middle_y;
    double back_x = (cos(a) * u + sin(a) * v) / c->scale;
    *from_x = middle_x + (c->flip ? -back_x : back_x);
    *from_y = middle_y + (-sin(a) * u + cos(a) * v) / c->scale;
}

static double interpolated(const picture *p, double x, double y, int64_t k) {
    int64_t left = (int64_t)floor(x), top = (int64_t)floor(y);
    double right = x - (double)left, lower = y - (double)top;
    return (1 - lower) *
               ((1 - right) * source(p, top, left, k) + right * source(p, top, left + 1, k)) +
           lower * ((1 - right) * source(p, top + 1, left, k) +
                    right * source(p, top + 1, left + 1, k));
}

/* Weights are rounded to 1/256, half of which may be missed on either axis. */
static void check_interpolated(const picture *p, const tn_image_change *c) {
    const double tolerance = 0.5 + 2 * 255.0 / 512 + 0.01;
    change(p, c);
    for (int64_t y = 0; y < p->shape.height; y++)
        for (int64_t x = 0; x < p->shape.width; x++)
            for (int64_t k = 0; k < p->shape.channels; k++) {
                double from_x, from_y;
                find_source(p, c, x, y, &from_x, &from_y);
                double expected = interpolated(p, from_x, from_y, k);
                int got = p->dst[(y * p->shape.width + x) * p->shape.channels + k];
                if (!(fabs(got - expected) <= tolerance))
                    fail_msg("pixel %lld %lld is %d, not %.3f", (long long)x, (long long)y, got,
                             expected);
            }
}

static tn_image_change random_change(uint64_t place) {
    const tn_augmentation options = {
        .crop = 2, .shift = 1.5, .rotate = 180, .scale = 0.6, .flip = true};
    const tn_image_shape shape = {28, 28, 1};
    const tn_augment_key key = {.seed = 5, .step = 9, .place = (int64_t)place};
    return tn_augment_draw(&options, &shape, &key);
}

static void maps_agree_with_real_numbers(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPES; i++) {
        picture p = picture_of(i);
        for (uint64_t place = 0; place < 60; place++) {
            tn_image_change c = random_change(place);
            check_interpolated(&p, &c);
        }
        free_picture(&p);
    }
}

static void fractions_of_a_pixel_blend_neighbours(void **state) {
    (void)state;
    picture p = make_picture(2, 3, 1);
    const uint8_t pixels[6] = {100, 200, 40, 0, 0, 0};
    memcpy(p.src, pixels, 6);
    tn_image_change c = unchanged;
    c.right = 0.25;
    change(&p, &c);
    const uint8_t expected[6] = {75, 175, 80, 0, 0, 0};
    assert_memory_equal(p.dst, expected, 6);
    free_picture(&p);
}

static void constant_images_stay_constant_inside(void **state) {
    (void)state;
    picture p = make_picture(28, 28, 1);
    for (int v = 1; v < 256; v += 127) {
        memset(p.src, v, 784);
        int n_inside = 0;
        for (uint64_t place = 0; place < 40; place++) {
            tn_image_change c = random_change(place);
            change(&p, &c);
            for (int64_t i = 0; i < 784; i++) {
                double x, y;
                find_source(&p, &c, i % 28, i / 28, &x, &y);
                if (x < 0.01 || y < 0.01 || x > 26.99 || y > 26.99) continue;
                assert_int_equal(p.dst[i], v);
                n_inside++;
            }
        }
        assert_true(n_inside > 10000);
    }
    free_picture(&p);
}

static void extremes_stay_in_bounds(void **state) {
    (void)state;
    picture p = make_picture(3, 700, 1);
    const double scales[] = {1.0 / 1024, 0.01, 1.999};
    for (int s = 0; s < 3; s++)
        for (int degrees = -180; degrees <= 180; degrees += 15) {
            tn_image_change c = {.scale = scales[s], .degrees = degrees, .right = 2.5, .down = -1};
            check_interpolated(&p, &c);
        }
    free_picture(&p);
}

/* A scale of almost 1 may draw an image of no size at all. */
static void shrinking_has_an_end(void **state) {
    (void)state;
    const tn_augmentation options = {.scale = 1 - 1e-16};
    const tn_image_shape shape = {TN_AUGMENT_MAX_SIDE, TN_AUGMENT_MAX_SIDE, 1};
    double least = 2;
    for (int64_t place = 0; place < 10000; place++) {
        const tn_augment_key key = {.place = place};
        least = fmin(least, tn_augment_draw(&options, &shape, &key).scale);
    }
    assert_true(least == 1.0 / 1024);
}

/* ---- Holes -------------------------------------------------------------------------------- */

static void holes_are_squares_cut_at_the_edge(void **state) {
    (void)state;
    picture p = make_picture(10, 12, 3);
    for (int64_t side = 1; side <= 10; side++)
        for (int64_t y = 0; y < 10; y++)
            for (int64_t x = 0; x < 12; x++) {
                tn_image_change c = unchanged;
                c.hole = side;
                c.hole_x = x;
                c.hole_y = y;
                change(&p, &c);
                for (int64_t i = 0; i < 10; i++)
                    for (int64_t k = 0; k < 12 * 3; k++) {
                        int64_t below = i - (y - side / 2), right = k / 3 - (x - side / 2);
                        bool hole = below >= 0 && below < side && right >= 0 && right < side;
                        assert_int_equal(p.dst[i * 36 + k], hole ? 0 : p.src[i * 36 + k]);
                    }
            }
    free_picture(&p);
}

/* ---- Draws -------------------------------------------------------------------------------- */

enum { N_DRAWS = 20000 };

static const tn_image_shape square = {28, 28, 1};

static tn_image_change draw_at(const tn_augmentation *options, int64_t place) {
    const tn_augment_key key = {.seed = 1, .step = 2, .place = place};
    return tn_augment_draw(options, &square, &key);
}

static void nothing_asked_draws_no_change(void **state) {
    (void)state;
    const tn_augmentation options = {.mixup = 1};
    assert_false(tn_augment_wanted(&options));
    for (int64_t i = 0; i < 100; i++) {
        tn_image_change c = draw_at(&options, i);
        assert_true(!c.flip && c.scale == 1 && c.degrees == 0 && c.right == 0 && c.down == 0 &&
                    c.hole == 0);
    }
}

typedef struct moments {
    double least, most, sum, sum2;
} moments;

static void add(moments *m, double x) {
    m->least = fmin(m->least, x);
    m->most = fmax(m->most, x);
    m->sum += x;
    m->sum2 += x * x;
}

/* Uniform in ±range: within it, close to both ends, mean 0, variance range² / 3. */
static void check_uniform(const moments *m, double range) {
    assert_true(m->least >= -range && m->least < -0.99 * range);
    assert_true(m->most <= range && m->most > 0.99 * range);
    assert_true(fabs(m->sum / N_DRAWS) < 0.02 * range);
    assert_true(fabs(m->sum2 / N_DRAWS / (range * range) - 1.0 / 3) < 0.01);
}

static void draws_are_uniform(void **state) {
    (void)state;
    const tn_augmentation options = {
        .shift = 2.5, .rotate = 15, .scale = 0.2, .flip = true, .cutout = 6};
    moments right = {0}, down = {0}, degrees = {0}, scale = {0};
    int n_flips = 0, n_holes_x[28] = {0}, n_holes_y[28] = {0};
    for (int64_t i = 0; i < N_DRAWS; i++) {
        tn_image_change c = draw_at(&options, i);
        add(&right, c.right);
        add(&down, c.down);
        add(&degrees, c.degrees);
        add(&scale, c.scale - 1);
        n_holes_x[c.hole_x]++;
        n_holes_y[c.hole_y]++;
        n_flips += c.flip;
        assert_int_equal(c.hole, 6);
    }
    check_uniform(&right, 2.5);
    check_uniform(&down, 2.5);
    check_uniform(&degrees, 15);
    check_uniform(&scale, 0.2);
    for (int i = 0; i < 28; i++) {
        assert_true(abs(n_holes_x[i] - N_DRAWS / 28) < 130);
        assert_true(abs(n_holes_y[i] - N_DRAWS / 28) < 130);
    }
    assert_true(abs(n_flips - N_DRAWS / 2) < 300); /* four deviations */
}

static void crops_are_whole_and_cover_their_range(void **state) {
    (void)state;
    const tn_augmentation options = {.crop = 2};
    int count[25] = {0};
    for (int64_t i = 0; i < N_DRAWS; i++) {
        tn_image_change c = draw_at(&options, i);
        int right = (int)c.right + 2, down = (int)c.down + 2;
        assert_true(right >= 0 && right < 5 && down >= 0 && down < 5);
        assert_true(c.right == right - 2 && c.down == down - 2);
        count[5 * down + right]++;
    }
    for (int i = 0; i < 25; i++) assert_true(abs(count[i] - N_DRAWS / 25) < 120);
}

static void draws_depend_on_all_of_the_key(void **state) {
    (void)state;
    const tn_augmentation options = {.rotate = 90};
    const tn_augment_key keys[] = {{1, 2, 3}, {9, 2, 3}, {1, 9, 3}, {1, 2, 9}, {1, 3, 2}};
    double degrees[5];
    for (int i = 0; i < 5; i++) {
        degrees[i] = tn_augment_draw(&options, &square, &keys[i]).degrees;
        for (int k = 0; k < i; k++) assert_true(degrees[k] != degrees[i]);
        assert_true(tn_augment_draw(&options, &square, &keys[i]).degrees == degrees[i]);
    }
}

/* Asking for one more change leaves the others as they were. */
static void draws_do_not_depend_on_each_other(void **state) {
    (void)state;
    const tn_augmentation few = {.rotate = 90, .flip = true};
    const tn_augmentation many = {
        .crop = 3, .shift = 2, .rotate = 90, .scale = 0.5, .flip = true, .cutout = 4, .mixup = 1};
    for (int64_t i = 0; i < 100; i++) {
        tn_image_change a = draw_at(&few, i), b = draw_at(&many, i);
        assert_true(a.degrees == b.degrees && a.flip == b.flip);
    }
}

/* ---- Mixup -------------------------------------------------------------------------------- */

/* Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); both tails alike. */
static void weights_have_the_moments_of_beta(void **state) {
    (void)state;
    const double alphas[] = {0.05, 0.2, 1, 3, 10};
    for (int a = 0; a < 5; a++) {
        moments m = {0};
        double sum3 = 0;
        for (int64_t i = 0; i < N_DRAWS; i++) {
            const tn_augment_key key = {.seed = 4, .step = 1, .place = i};
            int weight = tn_mixup_weight(&key, alphas[a]);
            assert_true(weight >= 0 && weight <= 256);
            double w = weight / 256.0 - 0.5;
            add(&m, w);
            sum3 += w * w * w;
        }
        double variance = 1 / (4 * (2 * alphas[a] + 1));
        assert_true(fabs(m.sum / N_DRAWS) < 0.012);
        assert_true(fabs(m.sum2 / N_DRAWS / variance - 1) < 0.04);
        assert_true(fabs(sum3 / N_DRAWS) < 0.005);
    }
}

/* Uniform for alpha 1: as many below a quarter as a quarter of all. */
static void weights_for_alpha_1_are_uniform(void **state) {
    (void)state;
    int count[4] = {0};
    for (int64_t i = 0; i < N_DRAWS; i++) {
        const tn_augment_key key = {.place = i};
        int weight = tn_mixup_weight(&key, 1);
        count[weight / 64 < 4 ? weight / 64 : 3]++;
    }
    for (int i = 0; i < 4; i++) assert_true(abs(count[i] - N_DRAWS / 4) < 250);
}

static void tiny_alphas_choose_one_image(void **state) {
    (void)state;
    const double alphas[] = {5e-324, 1e-300, 1e-9};
    for (int a = 0; a < 3; a++) {
        int n_whole[2] = {0};
        for (int64_t i = 0; i < 1000; i++) {
            const tn_augment_key key = {.place = i};
            int weight = tn_mixup_weight(&key, alphas[a]);
            if (weight == 0) n_whole[0]++;
            if (weight == 256) n_whole[1]++;
        }
        assert_int_equal(n_whole[0] + n_whole[1], 1000);
        assert_true(abs(n_whole[0] - 500) < 65);
    }
}

static void partners_are_others(void **state) {
    (void)state;
    int count[8] = {0};
    for (uint64_t step = 0; step < 700; step++) {
        const tn_augment_key key = {.step = step};
        int64_t offset = tn_mixup_offset(&key, 8);
        assert_true(offset >= 1 && offset <= 7);
        count[offset]++;
        assert_int_equal(tn_mixup_offset(&key, 2), 1);
        assert_int_equal(tn_mixup_offset(&key, 1), 0);
    }
    for (int i = 1; i < 8; i++) assert_true(abs(count[i] - 100) < 40);
}

static void blends_are_rounded(void **state) {
    (void)state;
    uint8_t a[256], b[256], blend[256];
    for (int i = 0; i < 256; i++) {
        a[i] = (uint8_t)i;
        b[i] = (uint8_t)(i * 77 + 13);
    }
    for (int weight = 0; weight <= 256; weight++) {
        tn_mixup_blend(256, a, b, weight, blend);
        for (int i = 0; i < 256; i++)
            assert_int_equal(blend[i],
                             (int)floor(a[i] + weight / 256.0 * ((double)b[i] - a[i]) + 0.5));
    }
    tn_mixup_blend(256, a, b, 0, blend);
    assert_memory_equal(blend, a, 256);
    tn_mixup_blend(256, a, b, 256, blend);
    assert_memory_equal(blend, b, 256);
}

/* ---- Batches ------------------------------------------------------------------------------ */

enum { SIDE = 12, CHANNELS = 3, IMAGE = SIDE * SIDE * CHANNELS, N_IMAGES = 50, BATCH = 37 };

static const tn_augmentation everything = {
    .crop = 1, .shift = 1, .rotate = 20, .scale = 0.1, .flip = true, .cutout = 3, .mixup = 0.5};
static const tn_image_shape small = {SIDE, SIDE, CHANNELS};

static tn_dataset *make_dataset(void) {
    static uint8_t images[N_IMAGES * IMAGE];
    int32_t labels[N_IMAGES];
    tn_random random = tn_random_begin(8, TN_PURPOSE_TEST, 0);
    for (int i = 0; i < N_IMAGES * IMAGE; i++) images[i] = (uint8_t)tn_random_below(&random, 256);
    for (int i = 0; i < N_IMAGES; i++) labels[i] = i % 10;
    tn_dataset *dataset;
    assert_int_equal(tn_dataset_create("noise", N_IMAGES, SIDE, SIDE, CHANNELS, 10, images, labels,
                                       &dataset, NULL),
                     TN_OK);
    return dataset;
}

static void choose(uint32_t which[BATCH]) {
    for (uint32_t i = 0; i < BATCH; i++) which[i] = (i * 7 + 3) % N_IMAGES;
}

static tn_batch make_batch(const tn_augmentation *options, tn_pool *pool) {
    tn_batch batch;
    tn_error error;
    assert_int_equal(tn_batch_create(&small, options, BATCH, pool, &batch, &error), TN_OK);
    return batch;
}

static void plain_batches_are_copies(void **state) {
    (void)state;
    tn_dataset *dataset = make_dataset();
    tn_batch batch = make_batch(NULL, NULL);
    uint32_t which[BATCH];
    const tn_augment_key first = {0};
    choose(which);
    tn_batch_gather(&batch, dataset, which, BATCH, &first);
    assert_null(batch.labels2);
    assert_null(batch.weights2);
    for (int i = 0; i < BATCH; i++) {
        assert_memory_equal(batch.images + i * IMAGE, tn_dataset_images(dataset) + which[i] * IMAGE,
                            IMAGE);
        assert_int_equal(batch.labels[i], which[i] % 10);
    }
    tn_batch_free(&batch);
    tn_dataset_free(dataset);
}

static void threads_change_no_bits(void **state) {
    (void)state;
    tn_dataset *dataset = make_dataset();
    tn_batch expected = make_batch(&everything, NULL);
    uint32_t which[BATCH];
    const tn_augment_key first = {.seed = 6, .step = 3, .place = 40};
    const int n_threads[] = {1, 2, 3, 4, 7};
    choose(which);
    tn_batch_gather(&expected, dataset, which, BATCH, &first);
    for (int t = 0; t < 5; t++) {
        tn_pool *pool;
        assert_int_equal(tn_pool_create(n_threads[t], &pool, NULL), TN_OK);
        tn_batch batch = make_batch(&everything, pool);
        for (int again = 0; again < 3; again++) {
            tn_batch_gather(&batch, dataset, which, BATCH, &first);
            assert_memory_equal(batch.images, expected.images, BATCH * IMAGE);
            assert_memory_equal(batch.labels, expected.labels, BATCH * sizeof(int32_t));
            assert_memory_equal(batch.labels2, expected.labels2, BATCH * sizeof(int32_t));
            assert_memory_equal(batch.weights2, expected.weights2, BATCH * sizeof(real));
        }
        tn_batch_free(&batch);
        tn_pool_free(pool);
    }
    tn_batch_free(&expected);
    tn_dataset_free(dataset);
}

/* The images of a step are the same, whether it takes them at once or in parts. */
static void parts_of_a_step_continue_each_other(void **state) {
    (void)state;
    tn_dataset *dataset = make_dataset();
    tn_augmentation options = everything;
    options.mixup = 0;
    tn_batch whole = make_batch(&options, NULL), part = make_batch(&options, NULL);
    uint32_t which[BATCH];
    const tn_augment_key first = {.seed = 6, .step = 3};
    const tn_augment_key second = {.seed = 6, .step = 3, .place = 20};
    choose(which);
    tn_batch_gather(&whole, dataset, which, BATCH, &first);
    tn_batch_gather(&part, dataset, which + 20, BATCH - 20, &second);
    assert_memory_equal(part.images, whole.images + 20 * IMAGE, (BATCH - 20) * IMAGE);
    assert_memory_equal(part.labels, whole.labels + 20, (BATCH - 20) * sizeof(int32_t));
    tn_batch_free(&whole);
    tn_batch_free(&part);
    tn_dataset_free(dataset);
}

/* Each image holds as much of another as the labels say. */
static void mixup_blends_images_and_labels_alike(void **state) {
    (void)state;
    tn_dataset *dataset = make_dataset();
    tn_augmentation options = everything;
    tn_batch mixed = make_batch(&options, NULL);
    options.mixup = 0;
    tn_batch plain = make_batch(&options, NULL);
    uint32_t which[BATCH];
    const tn_augment_key first = {.seed = 6, .step = 3};
    int64_t offset = tn_mixup_offset(&first, BATCH);
    int n_blended = 0;
    choose(which);
    tn_batch_gather(&mixed, dataset, which, BATCH, &first);
    tn_batch_gather(&plain, dataset, which, BATCH, &first);
    for (int64_t i = 0; i < BATCH; i++) {
        int64_t partner = (i + offset) % BATCH;
        double w = (double)mixed.weights2[i];
        assert_int_equal(mixed.labels[i], plain.labels[i]);
        assert_int_equal(mixed.labels2[i], plain.labels[partner]);
        for (int64_t k = 0; k < IMAGE; k++) {
            double a = plain.images[i * IMAGE + k], b = plain.images[partner * IMAGE + k];
            assert_true(fabs(mixed.images[i * IMAGE + k] - (a + w * (b - a))) <= 0.5);
        }
        n_blended += w > 0.1 && w < 0.9;
    }
    assert_true(n_blended > 10);
    tn_batch_free(&mixed);
    tn_batch_free(&plain);
    tn_dataset_free(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_change_copies),
        cmocka_unit_test(whole_moves_and_flips_are_exact),
        cmocka_unit_test(right_angles_are_exact),
        cmocka_unit_test(half_a_turn_is_two_flips),
        cmocka_unit_test(maps_agree_with_real_numbers),
        cmocka_unit_test(fractions_of_a_pixel_blend_neighbours),
        cmocka_unit_test(constant_images_stay_constant_inside),
        cmocka_unit_test(extremes_stay_in_bounds),
        cmocka_unit_test(shrinking_has_an_end),
        cmocka_unit_test(holes_are_squares_cut_at_the_edge),
        cmocka_unit_test(nothing_asked_draws_no_change),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(crops_are_whole_and_cover_their_range),
        cmocka_unit_test(draws_depend_on_all_of_the_key),
        cmocka_unit_test(draws_do_not_depend_on_each_other),
        cmocka_unit_test(weights_have_the_moments_of_beta),
        cmocka_unit_test(weights_for_alpha_1_are_uniform),
        cmocka_unit_test(tiny_alphas_choose_one_image),
        cmocka_unit_test(partners_are_others),
        cmocka_unit_test(blends_are_rounded),
        cmocka_unit_test(plain_batches_are_copies),
        cmocka_unit_test(threads_change_no_bits),
        cmocka_unit_test(parts_of_a_step_continue_each_other),
        cmocka_unit_test(mixup_blends_images_and_labels_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

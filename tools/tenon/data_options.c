/* SPDX-License-Identifier: Apache-2.0 */
#include "data_options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

/* In the order of tn_fit. */
static const char *const fit_names[] = {"crop", "stretch", NULL};

enum { MAX_SIDE = 16384 };

void data_options_rows(data_words *words, option rows[static DATA_ROWS]) {
    const option all[DATA_ROWS] = {
        [DATA_ROW_FIT] =
            {"fit", 0, OPTION_CHOICE, "HOW", &words->fit,
             "of pictures of another shape: crop cuts the middle out, stretch scales each axis; "
             "default crop",
             .choices = fit_names},
        [DATA_ROW_SKIP_BAD] =
            {"skip-bad", 0, OPTION_FLAG, NULL, &words->skip_bad,
             "leave out pictures that cannot be read instead of ending with an error"},
        [DATA_ROW_IMAGE_SIZE] =
            {"image-size", 0, OPTION_TEXT, "N|HxW", &words->image_size,
             "bring pictures to this size (height x width); default theirs, if all have the same"},
        [DATA_ROW_CHANNELS] =
            {"channels", 0, OPTION_COUNT, "N", &words->channels,
             "1 makes pictures grey, 3 coloured; default 1 if all of them are grey, else 3", 1, 3},
    };
    memcpy(rows, all, sizeof all);
}

/* A side at the start of *text, which is moved behind it; 0 if there is none. */
static int64_t take_side(const char **text) {
    if (!isdigit((unsigned char)**text)) return 0;
    char *end;
    long side = strtol(*text, &end, 10);
    *text = end;
    return side > MAX_SIDE ? 0 : side;
}

static bool parse_size(const char *text, tn_dataset_options *options) {
    options->height = options->width = take_side(&text);
    if (*text == 'x' && text++) options->width = take_side(&text);
    return options->height > 0 && options->width > 0 && !*text;
}

static void on_log(void *user, const char *message) {
    (void)user;
    warn(message);
}

int data_options_parse(const char *verb, const data_words *words, tn_dataset_options *options) {
    *options = TN_INIT(tn_dataset_options);
    if (words->image_size && !parse_size(words->image_size, options))
        return fail_usage(verb,
                          "--image-size takes pixels, such as 32 or 24x32, from 1 to %d, not %s",
                          MAX_SIDE, words->image_size);
    if (words->channels == 2)
        return fail_usage(verb, "--channels takes 1 for grey or 3 for colour, not 2");
    options->channels = words->channels;
    options->fit = (tn_fit)words->fit;
    options->skip_bad = words->skip_bad;
    options->log = on_log;
    return OPTIONS_GO_ON;
}

bool data_options_met(const tn_dataset_options *asked, const tn_dataset *data, const char *name) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(data, &info);
    const char *refused = NULL;
    if (asked->height && (asked->height != info.height || asked->width != info.width))
        refused = "--image-size";
    else if (asked->channels && asked->channels != info.channels)
        refused = "--channels";
    if (!refused) return true;
    fail("%s is for folders of pictures: the images of %s are %s, %" PRId64 "x%" PRId64
         " (leave it out)",
         refused, name, info.channels == 1 ? "grey" : "coloured", info.height, info.width);
    return false;
}

void data_options_suit(tn_dataset_options *options, const tn_model *model) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    if (info.height == 0) return;
    if (!options->height) {
        options->height = info.height;
        options->width = info.width;
    }
    if (!options->channels) options->channels = info.channels;
}

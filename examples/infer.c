/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c: says what is on PNG images, with a model that classifies images.
 *
 *     cc infer.c -o infer $(pkg-config --cflags --libs tenon)
 *     ./infer mnist-cnn.onnx digits/7-a.png digits/3-a.png */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

/* Reads a file in the size that the model takes and prints the class with the highest score. */
static tn_status classify(tn_session *session, const tn_model_info *info, const char *path,
                          tn_error *error) {
    uint8_t *pixels = malloc((size_t)(info->height * info->width * info->channels));
    float *scores = malloc((size_t)info->n_classes * sizeof *scores);
    tn_status status = TN_ERR_MEMORY;
    if (pixels && scores)
        status = tn_image_read(path, info->height, info->width, info->channels, TN_FIT_CROP, pixels,
                               NULL, error);
    if (status == TN_OK) status = tn_session_classify(session, pixels, 1, scores, error);
    if (status == TN_OK) {
        int best = 0;
        for (int i = 1; i < info->n_classes; i++)
            if (scores[i] > scores[best]) best = i;
        printf("%s: %s\n", path, info->class_names[best]);
    }
    free(scores);
    free(pixels);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: infer MODEL.onnx IMAGE.png...\n");
        return 2;
    }
    tn_error error = {""}; /* says what went wrong, in one line */
    tn_model *model = NULL;
    tn_session *session = NULL;
    tn_session_options options = TN_INIT(tn_session_options); /* every option at its default */
    tn_model_info info = TN_INIT(tn_model_info);

    int failed = tn_model_load(argv[1], &model, &error) ||
                 tn_session_create(model, &options, &session, &error);
    if (!failed) tn_model_describe(model, &info);
    for (int i = 2; i < argc && !failed; i++) failed = classify(session, &info, argv[i], &error);
    if (failed) fprintf(stderr, "infer: %s\n", error.message);

    tn_session_free(session); /* a session uses its model: free it first */
    tn_model_free(model);
    return failed ? 1 : 0;
}

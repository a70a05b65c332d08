/* SPDX-License-Identifier: Apache-2.0 */
/* model.h: what commands ask of a model argument and of --mode. */
#ifndef TN_TENON_MODEL_H
#define TN_TENON_MODEL_H

#include <stdbool.h>
#include <stdio.h>

#include <tenon/tenon.h>

/* Whether a model argument names a built-in network, not a file. */
bool model_is_builtin(const char *name);
/* Loads the ONNX file, or builds the network if the name is a built-in one and options are given.
 * Prints the error and returns false on failure. */
bool model_open(const char *name, const tn_model_options *options, tn_model **model);
/* The same, with --shape (NULL: not given), which is for files. */
bool model_open_shaped(const char *name, const tn_model_options *options, const char *shapes,
                       tn_model **model);
/* The same of a file, with what is known of its inputs. */
bool model_open_file(const char *name, const tn_tensor *inputs, int n_inputs, tn_model **model);

/* Reads --mode (NULL: the default). Returns 0, or the exit code after printing the error. */
int model_choose_mode(const char *verb, const char *text, const char *path, tn_mode *mode);

const char *model_mode_name(tn_mode mode);

/* Says what runs where: model, mode, kernels, threads, why so many, and whether they are pinned.
 * out may be NULL. */
void model_announce(FILE *out, const char *path, const tn_model *model, const tn_cpu_info *cpu,
                    const tn_session *session, tn_mode mode, tn_pin pin);

/* "1x28x28", with "?" instead of the batch in place 0 if any_batch. */
char *model_shape_text(const tn_tensor *tensor, bool any_batch, char text[static 160]);

#endif

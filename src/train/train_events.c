/* SPDX-License-Identifier: Apache-2.0 */
/* train_events.c: the course of training for TensorBoard. Tags are the keys that the results have
 * as JSON. Trouble with the file sticks in it and does not end training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/size.h"
#include "train/training.h"

enum { steps_between = 10 };

/* What came since the last telling: means over a whole epoch would fall and jump like a saw. */
static void tell_progress(tn_training *run, const tn_progress *p) {
    tn_events *events = run->options.events;
    const tn_tally *now = &run->state.epoch, *told = &run->told;
    double n = (double)(now->n - told->n);
    if (n > 0) {
        tn_events_scalar(events, "loss", p->step, (now->loss - told->loss) / n);
        tn_events_scalar(events, "train_accuracy", p->step,
                         (double)(now->n_correct - told->n_correct) / n);
        tn_events_scalar(events, "lr", p->step, p->lr);
        tn_events_scalar(events, "images_per_s", p->step, p->images_per_s);
        tn_events_scalar(events, "gradient_norm", p->step, tn_trainer_gradient_norm(&run->trainer));
    }
    run->told = *now;
}

static void tell_distribution(const tn_training *run, const char *kind, int parameter, int64_t step,
                              const float *values) {
    const tn_value *v = run->model->graph->parameters[parameter];
    char tag[512];
    snprintf(tag, sizeof tag, "%s/%s", kind, v->name);
    tn_events_histogram(run->options.events, tag, step, values, tn_shape_elements(&v->shape));
}

static tn_status tell_distributions(const tn_training *run, int64_t step, tn_error *error) {
    const tn_graph *graph = run->model->graph;
    int64_t largest = 0;
    for (int i = 0; i < graph->n_parameters; i++)
        largest = tn_max_i64(largest, tn_shape_elements(&graph->parameters[i]->shape));
    float *values = malloc((size_t)largest * sizeof *values + 1);
    if (!values) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_parameters; i++) {
        tn_trainer_get(&run->trainer, 0, i, values);
        tell_distribution(run, "weights", i, step, values);
        if (tn_trainer_get_gradient(&run->trainer, i, values))
            tell_distribution(run, "gradients", i, step, values);
    }
    free(values);
    return TN_OK;
}

tn_status tn_training_tell(tn_training *run, const tn_progress *progress, tn_error *error) {
    tn_events *events = run->options.events;
    if (!events) return TN_OK;
    bool due = progress->epoch_end || progress->step % steps_between == 0;
    if (!due) return TN_OK;
    tell_progress(run, progress);
    if (progress->epoch_end) {
        run->told = (tn_tally){0};
        if (run->n_held_out > 0) {
            tn_events_scalar(events, "held_out_loss", progress->step, progress->held_out_loss);
            tn_events_scalar(events, "held_out_accuracy", progress->step,
                             progress->held_out_accuracy);
        }
        TN_TRY(tell_distributions(run, progress->step, error));
    }
    tn_events_flush(events);
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: warnings of a training run. */
#include <stdarg.h>
#include <stdio.h>

#include "train/training.h"

void tn_training_log(const tn_training *run, const char *format, ...) {
    if (!run->options.log) return;
    tn_error line;
    va_list args;
    va_start(args, format);
    vsnprintf(line.message, sizeof line.message, format, args);
    va_end(args);
    run->options.log(run->options.user, line.message);
}

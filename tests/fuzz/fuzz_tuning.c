/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of tunings. Whatever it lets through must be whole: written again it must read as the
 * same choices. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ops/tuning.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const tn_tuning *tuning) {
    char *text = tn_tuning_serialise(tuning);
    tn_tuning *again;
    if (!text || tn_tuning_parse(text, strlen(text), &again, NULL) != TN_OK) abort();
    if (again->n_rows != tuning->n_rows || strcmp(again->sha256, tuning->sha256) != 0) abort();
    tn_tuning_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_tuning *tuning;
    tn_error error = {{0}};
    if (tn_tuning_parse(data, size, &tuning, &error) == TN_OK) {
        check_round_trip(tuning);
        tn_tuning_free(tuning);
    } else if (!error.message[0]) {
        abort();
    }
    return 0;
}

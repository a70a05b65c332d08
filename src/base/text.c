/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <jansson.h>

bool tn_text_is_utf8(const char *text) {
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* text.h: what strings of strangers are made of. */
#ifndef TN_BASE_TEXT_H
#define TN_BASE_TEXT_H

#include <stdbool.h>

/* Whether text is UTF-8, which ONNX demands of all names. */
bool tn_text_is_utf8(const char *text);

#endif

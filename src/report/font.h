/* SPDX-License-Identifier: Apache-2.0 */
/* font.h: a bitmap font for captions in pictures. */
#ifndef TN_REPORT_FONT_H
#define TN_REPORT_FONT_H

#include <stdint.h>

enum { TN_FONT_WIDTH = 8, TN_FONT_HEIGHT = 13 };

/* The rows of a character from top to bottom, the highest bit being the leftmost pixel. The font
 * has ASCII and Latin-1; anything else looks like '?'. */
const uint8_t *tn_font_glyph(uint32_t code_point);

/* The next character of a UTF-8 string, which must not be at its end; moves *text behind it. A byte
 * that begins no character is passed over and reported as '?'. */
uint32_t tn_font_next(const char **text);

/* Characters in a UTF-8 string, and so its width. */
int64_t tn_font_length(const char *text);

#endif

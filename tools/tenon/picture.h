/* SPDX-License-Identifier: Apache-2.0 */
/* picture.h: draws images in the terminal, side by side with captions. */
#ifndef TN_TENON_PICTURE_H
#define TN_TENON_PICTURE_H

#include <stdint.h>
#include <stdio.h>

enum { PICTURE_COLUMNS = 28, PICTURE_ROWS = 14, PICTURE_CAPTIONS = 3 };

typedef struct picture {
    const uint8_t *pixels; /* [height][width][channels], channels 1 or 3 */
    int64_t height, width, channels;
    char caption[PICTURE_CAPTIONS][128]; /* lines below it; cut to PICTURE_COLUMNS */
} picture;

/* Draws n pictures, as many in a row as the terminal is wide. One takes at most PICTURE_COLUMNS ×
 * PICTURE_ROWS characters, larger ones are shrunk. With colours and UTF-8 a character is two
 * pixels, one above the other; otherwise it is the shade of the two in ASCII. */
void pictures_draw(FILE *out, const picture *pictures, int n);

#endif

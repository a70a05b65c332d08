/* SPDX-License-Identifier: Apache-2.0 */
/* conv_winograd_2x2.c: conv_winograd.c once more, for tiles of 2×2 pixels. */
#define WINOGRAD_SMALL
#include "ops/conv_winograd.c"

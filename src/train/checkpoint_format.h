/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_format.h: what writer and reader of checkpoints must agree on; for these two only. */
#ifndef TN_TRAIN_CHECKPOINT_FORMAT_H
#define TN_TRAIN_CHECKPOINT_FORMAT_H

#include "base/sha256.h"
#include <stdint.h>

#define TN_CHECKPOINT_METADATA "__metadata__"
/* Before a tensor's name: the metadata key of its CRC-32, eight hexadecimal digits. */
#define TN_CHECKPOINT_SUM "crc32/"
enum { TN_CHECKPOINT_SUM_TEXT = 9 };

/* Every header begins with this, then come the 64 digits. */
#define TN_CHECKPOINT_START "{\"" TN_CHECKPOINT_METADATA "\":{\"sha256\":\""
#define TN_CHECKPOINT_SHA256_PLACE (8 + sizeof TN_CHECKPOINT_START - 1)
#define TN_CHECKPOINT_NO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

/* The CRC-32 of ISO 3309, as zlib computes it. */
void tn_checkpoint_sum_text(const void *data, size_t bytes, char text[TN_CHECKPOINT_SUM_TEXT]);
/* Of a whole file, longer than TN_CHECKPOINT_SHA256_PLACE + 64, its own digits taken as zeros. */
void tn_checkpoint_sha256(const uint8_t *file, size_t n_bytes, char hex[65]);

#endif

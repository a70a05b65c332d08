/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h: CRC-32C (Castagnoli), the checksum of iSCSI (RFC 3720) and of TensorFlow's records. */
#ifndef TN_BASE_CRC32C_H
#define TN_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t tn_crc32c(const void *data, size_t bytes);

#endif

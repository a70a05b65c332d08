/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

/* The remainders of four bits by the reflected polynomial 0x82f63b78. Sixteen entries take a byte
 * in two steps: some 300 MB/s, and what is summed here is written to a file anyway. */
static const uint32_t remainders[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t tn_crc32c(const void *data, size_t bytes) {
    const uint8_t *b = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= b[i];
        crc = crc >> 4 ^ remainders[crc & 15];
        crc = crc >> 4 ^ remainders[crc & 15];
    }
    return ~crc;
}

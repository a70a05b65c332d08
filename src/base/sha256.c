/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <stdint.h>

void tn_sha256_begin(tn_sha256 *sha) { SHA256Init(sha); }

void tn_sha256_add(tn_sha256 *sha, const void *data, size_t bytes) {
    if (bytes > 0) SHA256Update(sha, data, bytes);
}

void tn_sha256_end(tn_sha256 *sha, char hex[65]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Final(digest, sha);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * SHA256_DIGEST_LENGTH] = '\0';
}

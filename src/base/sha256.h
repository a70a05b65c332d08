/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h: SHA-256 over several pieces (a thin front of libmd). */
#ifndef TN_BASE_SHA256_H
#define TN_BASE_SHA256_H

#include <sha2.h>
#include <stddef.h>

typedef SHA2_CTX tn_sha256;

void tn_sha256_begin(tn_sha256 *sha);
void tn_sha256_add(tn_sha256 *sha, const void *data, size_t bytes);
/* hex receives 64 lower-case digits and a terminator. */
void tn_sha256_end(tn_sha256 *sha, char hex[65]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h: memory that is released all at once. */
#ifndef TN_BASE_ARENA_H
#define TN_BASE_ARENA_H

#include <stddef.h>

typedef struct tn_arena {
    struct tn_arena_block *blocks;
} tn_arena;

/* A zeroed tn_arena is an empty one. */
void tn_arena_free(tn_arena *arena);
/* Zeroed memory aligned to 16 bytes, or NULL. */
void *tn_arena_alloc(tn_arena *arena, size_t bytes);
/* A copy of bytes, or NULL. */
void *tn_arena_copy(tn_arena *arena, const void *data, size_t bytes);
char *tn_arena_strdup(tn_arena *arena, const char *text);
/* A formatted string, or NULL. */
char *tn_arena_printf(tn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Memory aligned to 64 bytes for tensors, not zeroed; NULL when out of memory; 0 bytes give a valid
 * pointer. Released with free(). */
void *tn_aligned_alloc(size_t bytes);
/* The same for what is read from beginning to end: where it is large, and the system has them, in
 * large pages, which are fewer to ask the system for, and take fewer look-ups of addresses. */
void *tn_streamed_alloc(size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c: a list of zeroed blocks, the first of which serves small requests. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16, BLOCK_BYTES = 16 * 1024, TENSOR_ALIGNMENT = 64 };

struct tn_arena_block {
    struct tn_arena_block *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) unsigned char data[];
};

void tn_arena_free(tn_arena *arena) {
    for (struct tn_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}

static struct tn_arena_block *block_create(size_t capacity) {
    if (capacity > PTRDIFF_MAX - sizeof(struct tn_arena_block)) return NULL;
    struct tn_arena_block *block = tn_streamed_alloc(sizeof *block + capacity);
    if (!block) return NULL;
    memset(block, 0, sizeof *block + capacity);
    block->capacity = capacity;
    return block;
}

/* A large request gets a block to itself, behind the first one, which goes on being filled. */
static void *alloc_large(tn_arena *arena, size_t bytes) {
    struct tn_arena_block *block = block_create(bytes);
    if (!block) return NULL;
    block->used = bytes;
    struct tn_arena_block **place = arena->blocks ? &arena->blocks->next : &arena->blocks;
    block->next = *place;
    *place = block;
    return block->data;
}

void *tn_arena_alloc(tn_arena *arena, size_t bytes) {
    if (bytes > PTRDIFF_MAX - ALIGNMENT) return NULL;
    /* An empty request takes a place too, so that no two results are equal. */
    size_t padded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (padded > BLOCK_BYTES / 4) return alloc_large(arena, padded);
    struct tn_arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < padded) {
        block = block_create(BLOCK_BYTES);
        if (!block) return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += padded;
    return memory;
}

void *tn_arena_copy(tn_arena *arena, const void *data, size_t bytes) {
    void *copy = tn_arena_alloc(arena, bytes);
    if (copy && bytes > 0) memcpy(copy, data, bytes);
    return copy;
}

char *tn_arena_strdup(tn_arena *arena, const char *text) {
    return tn_arena_copy(arena, text, strlen(text) + 1);
}

char *tn_arena_printf(tn_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : tn_arena_alloc(arena, (size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void *tn_aligned_alloc(size_t bytes) {
    if (bytes > PTRDIFF_MAX - TENSOR_ALIGNMENT) return NULL;
    size_t padded = (bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
    return aligned_alloc(TENSOR_ALIGNMENT, padded ? padded : TENSOR_ALIGNMENT);
}

void *tn_streamed_alloc(size_t bytes) {
    enum { PAGE = 2 << 20, LEAST_PAGES = 2 };
    if (bytes < (size_t)LEAST_PAGES * PAGE || bytes > PTRDIFF_MAX - PAGE)
        return tn_aligned_alloc(bytes);
    size_t padded = (bytes + PAGE - 1) / PAGE * PAGE;
    void *memory = aligned_alloc(PAGE, padded);
#ifdef MADV_HUGEPAGE
    if (memory) (void)madvise(memory, padded, MADV_HUGEPAGE); /* refused: ordinary pages serve */
#endif
    return memory;
}

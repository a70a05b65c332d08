/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/name_index.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo), its upper bits folded in, since the lower ones choose the place. */
static uint64_t hash_of(const char *name) {
    uint64_t hash = 14695981039346656037u;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash ^ hash >> 32;
}

/* Its entry, or the free place for it; room is a power of two and never full. */
static tn_name_entry *place_of(tn_name_entry *entries, size_t room, const char *name,
                               uint64_t hash) {
    size_t at = (size_t)hash & (room - 1);
    while (entries[at].name && (entries[at].hash != hash || strcmp(entries[at].name, name) != 0))
        at = (at + 1) & (room - 1);
    return &entries[at];
}

tn_name_entry *tn_name_index_find(const tn_name_index *index, const char *name) {
    if (index->n == 0) return NULL;
    tn_name_entry *entry = place_of(index->entries, index->room, name, hash_of(name));
    return entry->name ? entry : NULL;
}

static bool grow(tn_name_index *index) {
    size_t room = index->room ? 2 * index->room : 64;
    tn_name_entry *entries = calloc(room, sizeof *entries);
    if (!entries) return false;
    for (size_t i = 0; i < index->room; i++) {
        const tn_name_entry *e = &index->entries[i];
        if (e->name) *place_of(entries, room, e->name, e->hash) = *e;
    }
    free(index->entries);
    index->entries = entries;
    index->room = room;
    return true;
}

bool tn_name_index_put(tn_name_index *index, const char *name, void *item) {
    if (2 * index->n >= index->room && !grow(index)) return false;
    uint64_t hash = hash_of(name);
    tn_name_entry *entry = place_of(index->entries, index->room, name, hash);
    if (!entry->name) {
        index->n++;
        *entry = (tn_name_entry){.name = name, .hash = hash};
    }
    entry->item = item;
    return true;
}

void tn_name_index_clear(tn_name_index *index) {
    if (index->room > 0) memset(index->entries, 0, index->room * sizeof *index->entries);
    index->n = 0;
}

void tn_name_index_free(tn_name_index *index) {
    free(index->entries);
    *index = (tn_name_index){0};
}

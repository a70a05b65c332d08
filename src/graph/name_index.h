/* SPDX-License-Identifier: Apache-2.0 */
/* name_index.h: things by their names, in a hash table with open addressing. */
#ifndef TN_GRAPH_NAME_INDEX_H
#define TN_GRAPH_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tn_name_entry {
    const char *name; /* of its owner, which must outlive the entry; NULL: the place is free */
    uint64_t hash;
    void *item; /* NULL if the name is free again */
    int suffix; /* the last one tried in making a name like this unique */
} tn_name_entry;

/* A zeroed tn_name_index is an empty one. */
typedef struct tn_name_index {
    tn_name_entry *entries;
    size_t room, n;
} tn_name_index;

/* The entry of a name, which may be without an item; NULL if there is none. Entries move when names
 * are put. */
tn_name_entry *tn_name_index_find(const tn_name_index *index, const char *name);
/* Makes item what the name stands for; false when out of memory. */
bool tn_name_index_put(tn_name_index *index, const char *name, void *item);
/* Forgets all names; as many as there were can be put without failing. */
void tn_name_index_clear(tn_name_index *index);
void tn_name_index_free(tn_name_index *index);

#endif

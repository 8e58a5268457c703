/* SPDX-License-Identifier: MIT */
/* Hash table from byte strings to numbers, for looking names and addresses up while building. */
#include "conf/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing, linear probing, at most half full; nothing is ever taken out. */
struct names_slot {
    const void *key; /* NULL: free */
    size_t length;
    uint64_t scope, hash;
    size_t value;
};

void names_fini(struct names *names)
{
    free(names->slots);
    *names = (struct names){0};
}

static uint64_t names_hash(const struct names *names, uint64_t scope, const void *key,
                           size_t length)
{
    struct hash_key keyed = names->key;
    keyed.word[1] ^= scope;
    return hash_bytes(&keyed, key, length);
}

static struct names_slot *names_place(const struct names *names, uint64_t hash, uint64_t scope,
                                      const void *key, size_t length)
{
    size_t mask = names->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct names_slot *slot = &names->slots[i];
        if (slot->key == NULL)
            return slot;
        if (slot->hash == hash && slot->scope == scope && slot->length == length &&
            memcmp(slot->key, key, length) == 0)
            return slot;
    }
}

static int names_grow(struct names *names)
{
    struct names grown = *names;
    if (names->capacity == 0) {
        struct random random;
        random_init(&random, 0);
        grown.key.word[0] = random_next(&random);
        grown.key.word[1] = random_next(&random);
    }
    grown.capacity = names->capacity == 0 ? 64 : names->capacity * 2;
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return -1;
    for (size_t i = 0; i < names->capacity; i++) {
        const struct names_slot *slot = &names->slots[i];
        if (slot->key != NULL)
            *names_place(&grown, slot->hash, slot->scope, slot->key, slot->length) = *slot;
    }
    free(names->slots);
    *names = grown;
    return 0;
}

int names_put(struct names *names, uint64_t scope, const void *key, size_t length, size_t value,
              size_t *existing)
{
    if (names->used * 2 >= names->capacity && names_grow(names) != 0) {
        errno = ENOMEM;
        return -1;
    }
    uint64_t hash = names_hash(names, scope, key, length);
    struct names_slot *slot = names_place(names, hash, scope, key, length);
    if (slot->key == NULL) {
        *slot = (struct names_slot){key, length, scope, hash, value};
        names->used++;
    }
    *existing = slot->value;
    return 0;
}

bool names_find(const struct names *names, uint64_t scope, const void *key, size_t length,
                size_t *value)
{
    if (names->capacity == 0)
        return false;
    uint64_t hash = names_hash(names, scope, key, length);
    const struct names_slot *slot = names_place(names, hash, scope, key, length);
    if (slot->key == NULL)
        return false;
    *value = slot->value;
    return true;
}

/* SPDX-License-Identifier: MIT */
/* Hash table from byte strings to numbers, for looking names and addresses up while building. */
#ifndef CONF_NAMES_H
#define CONF_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Zero is the valid empty table. Keys are not copied: they outlive it. */
struct names {
    struct names_slot *slots; /* owned; capacity of them, a power of two */
    size_t capacity, used;
    struct hash_key key; /* random: a file cannot be made to collide */
};

void names_fini(struct names *names);

/*
 * Puts value under (scope, key) unless something is there already.
 * scope     keeps equal keys of different lists apart
 * existing  where what was there before goes; value when the place was free
 * Returns 0, or -1 with errno ENOMEM.
 */
int names_put(struct names *names, uint64_t scope, const void *key, size_t length, size_t value,
              size_t *existing);

/* Returns false when nothing is under (scope, key). */
bool names_find(const struct names *names, uint64_t scope, const void *key, size_t length,
                size_t *value);

#endif

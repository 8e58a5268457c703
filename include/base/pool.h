/* SPDX-License-Identifier: MIT */
/* Fixed-size objects from slabs with a free list; poisoned for AddressSanitizer while free. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

/*
 * One pool serves one size and one thread. Slabs are given back to the system only by
 * pool_fini: memory follows the peak, which the connection limit bounds.
 */
struct pool {
    size_t object_bytes; /* rounded up to 16 */
    size_t objects_a_slab;
    void *free;      /* first free object, the next pointer lies in its first word */
    void *slabs;     /* all slabs, linked through their first word */
    size_t taken;    /* objects handed out now */
    size_t capacity; /* objects in all slabs */
};

/* Makes an empty pool; allocates nothing yet. object_bytes > 0, objects_a_slab > 0. */
void pool_init(struct pool *pool, size_t object_bytes, size_t objects_a_slab);

/* Frees every slab; all objects must have been given back. */
void pool_fini(struct pool *pool);

/* An object of zero bytes, or NULL with errno ENOMEM. */
void *pool_take(struct pool *pool);

/* As pool_take, but what the bytes hold is left to chance: for storage that is written before it is read. */
void *pool_take_unset(struct pool *pool);

/* Takes the object back; NULL does nothing. */
void pool_give(struct pool *pool, void *object);

#endif

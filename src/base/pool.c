/* SPDX-License-Identifier: MIT */
/* Fixed-size objects from slabs with a free list; poisoned for AddressSanitizer while free. */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define ALIGNMENT ((size_t)16)

/* Where a free object or a slab keeps the next one. */
struct link {
    void *next;
};

void pool_init(struct pool *pool, size_t object_bytes, size_t objects_a_slab)
{
    assert(object_bytes > 0 && objects_a_slab > 0);
    assert(object_bytes <= SIZE_MAX - ALIGNMENT);
    *pool = (struct pool){
        .object_bytes = (object_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT,
        .objects_a_slab = objects_a_slab,
    };
}

void pool_fini(struct pool *pool)
{
    assert(pool->taken == 0);
    while (pool->slabs != NULL) {
        struct link *slab = pool->slabs;
        pool->slabs = slab->next;
        ASAN_UNPOISON_MEMORY_REGION((char *)slab + ALIGNMENT,
                                    pool->object_bytes * pool->objects_a_slab);
        free(slab);
    }
    pool->free = NULL;
    pool->capacity = 0;
}

static void put_on_free_list(struct pool *pool, void *object)
{
    struct link *link = object;
    link->next = pool->free;
    pool->free = object;
    ASAN_POISON_MEMORY_REGION(object, pool->object_bytes);
}

/* One more slab: a link, padded to the alignment, then the objects. False without memory. */
static bool add_slab(struct pool *pool)
{
    if (pool->objects_a_slab > (SIZE_MAX - ALIGNMENT) / pool->object_bytes) {
        errno = ENOMEM;
        return false;
    }
    struct link *slab = malloc(ALIGNMENT + pool->object_bytes * pool->objects_a_slab);
    if (slab == NULL)
        return false;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->capacity += pool->objects_a_slab;
    char *objects = (char *)slab + ALIGNMENT;
    for (size_t i = pool->objects_a_slab; i > 0; i--) /* the lowest address is taken first */
        put_on_free_list(pool, objects + (i - 1) * pool->object_bytes);
    assert(pool->free != NULL); /* objects_a_slab > 0 */
    return true;
}

void *pool_take_unset(struct pool *pool)
{
    if (pool->free == NULL && !add_slab(pool))
        return NULL;
    struct link *object = pool->free;
    ASAN_UNPOISON_MEMORY_REGION(object, pool->object_bytes);
    pool->free = object->next;
    pool->taken++;
    return object;
}

void *pool_take(struct pool *pool)
{
    void *object = pool_take_unset(pool);
    if (object != NULL)
        memset(object, 0, pool->object_bytes);
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    if (object == NULL)
        return;
    assert(pool->taken > 0);
    pool->taken--;
    put_on_free_list(pool, object);
}

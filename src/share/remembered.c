/* SPDX-License-Identifier: MIT */
/* What workers remember for each other by an id: the sessions of TLS clients that take no tickets. */
#include "share/remembered.h"

#include <stdbool.h>
#include <string.h>

static void store(_Atomic uint64_t *words, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        memcpy(&word, (const unsigned char *)bytes + at, length - at < 8 ? length - at : 8);
        atomic_store_explicit(&words[at / 8], word, memory_order_relaxed);
    }
}

static void load(const _Atomic uint64_t *words, void *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = atomic_load_explicit(&words[at / 8], memory_order_relaxed);
        memcpy((unsigned char *)bytes + at, &word, length - at < 8 ? length - at : 8);
    }
}

static bool has_id(const struct remembered *place, const unsigned char *id)
{
    unsigned char its[REMEMBERED_ID_BYTES];
    load(place->id, its, sizeof its);
    return memcmp(its, id, sizeof its) == 0;
}

/* Its first place. Ids are by chance: any part of one spreads them. */
static size_t bucket_of(const unsigned char *id)
{
    uint64_t word;
    memcpy(&word, id, sizeof word);
    return word % (REMEMBERED_MOST / REMEMBERED_WAYS) * REMEMBERED_WAYS;
}

/* The id's own place, else the one that is free or has had its content the longest. */
static struct remembered *choose(struct remembered *bucket, const unsigned char *id)
{
    struct remembered *oldest = bucket;
    for (int way = 0; way < REMEMBERED_WAYS; way++) {
        if (has_id(&bucket[way], id))
            return &bucket[way];
        if (atomic_load(&bucket[way].since_ns) < atomic_load(&oldest->since_ns))
            oldest = &bucket[way];
    }
    return oldest;
}

void remembered_put(struct remembered *table, const unsigned char id[REMEMBERED_ID_BYTES],
                    const void *bytes, size_t length, uint64_t now_ns)
{
    if (length > REMEMBERED_BYTES)
        return;
    struct remembered *place = choose(&table[bucket_of(id)], id);
    atomic_store(&place->since_ns, now_ns);
    atomic_store(&place->length, length);
    store(place->words, bytes, length);
    atomic_thread_fence(memory_order_release);
    store(place->id, id, REMEMBERED_ID_BYTES);
}

size_t remembered_get(const struct remembered *table,
                      const unsigned char id[REMEMBERED_ID_BYTES],
                      unsigned char out[REMEMBERED_BYTES])
{
    const struct remembered *bucket = &table[bucket_of(id)];
    for (int way = 0; way < REMEMBERED_WAYS; way++) {
        if (!has_id(&bucket[way], id))
            continue;
        atomic_thread_fence(memory_order_acquire);
        uint64_t length = atomic_load(&bucket[way].length);
        if (length > REMEMBERED_BYTES)
            return 0;
        load(bucket[way].words, out, length);
        return length;
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* What OCSP responders have said about clients' certificates: the director writes it, workers read it. */
#include "share/standing.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { KEY_WORDS = STANDING_KEY_BYTES / 8, STANDING_MASK = 3 };

_Static_assert((int)STANDING_UNANSWERED <= (int)STANDING_MASK, "a standing fits into its bits");

struct key {
    uint64_t words[KEY_WORDS];
};

static struct key key_of(const unsigned char bytes[STANDING_KEY_BYTES])
{
    struct key key;
    memcpy(key.words, bytes, sizeof key.words);
    return key;
}

/* Of two keys that share a bucket it differs, as their words by chance do; and from that of a free row. */
static uint64_t check_of(const struct key *key, uint64_t said_ns, uint64_t until_ns)
{
    enum { TURN = 32 };
    return key->words[1] ^ (said_ns << TURN | said_ns >> TURN) ^ until_ns;
}

/* Its first place. */
static size_t bucket_of(const struct key *key)
{
    return key->words[0] % (STANDINGS_MOST / STANDING_WAYS) * STANDING_WAYS;
}

static bool has_key(const struct standing_row *row, const struct key *key)
{
    for (size_t i = 0; i < KEY_WORDS; i++)
        if (atomic_load_explicit(&row->key[i], memory_order_relaxed) != key->words[i])
            return false;
    return true;
}

/* The key's own place, else the one that is free or was written longest ago. */
static struct standing_row *choose(struct standing_row *bucket, const struct key *key)
{
    struct standing_row *oldest = bucket;
    for (int way = 0; way < STANDING_WAYS; way++) {
        if (has_key(&bucket[way], key))
            return &bucket[way];
        if (atomic_load(&bucket[way].said_ns) < atomic_load(&oldest->said_ns))
            oldest = &bucket[way];
    }
    return oldest;
}

void standing_put(struct standing_row *table, const unsigned char bytes[STANDING_KEY_BYTES],
                  enum standing standing, uint64_t now_ns, uint64_t until_ns)
{
    struct key key = key_of(bytes);
    struct standing_row *row = choose(&table[bucket_of(&key)], &key);
    uint64_t until = (until_ns & ~(uint64_t)STANDING_MASK) | (uint64_t)standing;
    for (size_t i = 0; i < KEY_WORDS; i++)
        atomic_store(&row->key[i], key.words[i]);
    atomic_store(&row->said_ns, now_ns);
    atomic_store(&row->until_ns, until);
    atomic_store(&row->check, check_of(&key, now_ns, until));
}

static enum standing read_row(const struct standing_row *row, const struct key *key,
                              uint64_t now_ns, uint64_t since_ns)
{
    uint64_t said_ns = atomic_load(&row->said_ns), until = atomic_load(&row->until_ns);
    if (atomic_load(&row->check) != check_of(key, said_ns, until))
        return STANDING_UNASKED;
    bool holds = (until & ~(uint64_t)STANDING_MASK) > now_ns || said_ns >= since_ns;
    return holds ? (enum standing)(until & STANDING_MASK) : STANDING_UNASKED;
}

enum standing standing_get(const struct standing_row *table,
                           const unsigned char bytes[STANDING_KEY_BYTES], uint64_t now_ns,
                           uint64_t since_ns)
{
    struct key key = key_of(bytes);
    const struct standing_row *bucket = &table[bucket_of(&key)];
    for (int way = 0; way < STANDING_WAYS; way++)
        if (has_key(&bucket[way], &key))
            return read_row(&bucket[way], &key, now_ns, since_ns);
    return STANDING_UNASKED;
}

/* SPDX-License-Identifier: MIT */
/* The stick table: which host a client was sent to, for how long that counts. */
#include "share/stick.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "share/segment.h"

/*
 * How it works. A key may lie in any place of its bucket. Its value is one word, so that a client who
 * comes back has it renewed by one compare-and-swap: nobody ever sees the entry without it. Giving a place
 * to another key takes three steps: the key's word is swapped for a mark that says since when
 * somebody is writing, then the value, and at last the key is stored. Whoever finds the key thus finds
 * its own value. One who was killed in between leaves a mark that is old, and a place with an old mark
 * is taken like a free one; one who merely stood still finds that his mark, or the value he saw before
 * looking at the mark, is gone, and gives up.
 * Two workers may give a place to one key at once: the entry that expires last counts, for finding and for
 * renewing, so that all agree on it, and the other runs out.
 */

enum {
    INCARNATION_SHIFT = 16,
    EXPIRY_SHIFT = 24, /* highest, so that the greater value expires later */
    TOKEN_BITS = 16,   /* of a mark: what tells writers of one millisecond apart */
    WRITING_MS =
        1000, /* a place is written in microseconds: after so long the writer is dead */
    TRIES = 4
};
#define KEY_BIT (UINT64_C(1) << 63)
#define EXPIRY_MOST ((UINT64_C(1) << 40) - 1) /* milliseconds: 34 years of uptime */

_Static_assert(SEGMENT_HOSTS <= 1 << INCARNATION_SHIFT, "a value holds any host's row");

uint64_t stick_key(const struct segment *segment, uint32_t group, const struct addr *client,
                   int inet_bits, int inet6_bits)
{
    unsigned char bytes[sizeof group + ADDR_PREFIX_BYTES];

    memcpy(bytes, &group, sizeof group);
    addr_prefix(bytes + sizeof group, client, inet_bits, inet6_bits);
    return hash_bytes(&segment->daemon->secret, bytes, sizeof bytes) | KEY_BIT;
}

static struct stick_entry *bucket_of(const struct segment *segment, uint64_t key)
{
    uint64_t n = segment->daemon->sizes.stick_entries / STICK_WAYS;
    return &segment->stick[key % n * STICK_WAYS];
}

static uint64_t ms_of(uint64_t now_ns)
{
    uint64_t now_ms = now_ns / CLOCK_NS_PER_MS;
    return now_ms < EXPIRY_MOST ? now_ms : EXPIRY_MOST;
}

static uint64_t incarnation_of(const struct segment *segment, uint32_t host)
{
    return atomic_load(&segment->hosts[host].incarnation) & 0xff;
}

static uint64_t value_of(const struct segment *segment, uint32_t host, uint64_t expiry_ms)
{
    return expiry_ms << EXPIRY_SHIFT | incarnation_of(segment, host) << INCARNATION_SHIFT |
           host;
}

/* The key's entry that expires last; NULL when it has none. */
static struct stick_entry *find_entry(struct stick_entry *bucket, uint64_t key,
                                      uint64_t *value_out)
{
    struct stick_entry *found = NULL;

    *value_out = 0;
    for (int way = 0; way < STICK_WAYS; way++) {
        struct stick_entry *entry = &bucket[way];
        if (atomic_load(&entry->key) != key)
            continue;
        uint64_t value = atomic_load(&entry->value);
        /* Again: another key may have come in between. */
        if (atomic_load(&entry->key) != key || value <= *value_out)
            continue;
        found = entry;
        *value_out = value;
    }
    return found;
}

bool stick_find(const struct segment *segment, uint64_t key, uint64_t now_ns,
                uint32_t *host_out)
{
    uint64_t value;

    if (find_entry(bucket_of(segment, key), key, &value) == NULL ||
        value >> EXPIRY_SHIFT <= ms_of(now_ns))
        return false;
    uint32_t host = (uint32_t)(value & (SEGMENT_HOSTS - 1));
    if ((value >> INCARNATION_SHIFT & 0xff) != incarnation_of(segment, host))
        return false;
    *host_out = host;
    return true;
}

/* Renews the key's entry. False when it has none, or it is being taken away just now. */
static bool renew(struct stick_entry *bucket, uint64_t key, uint64_t fresh)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t value;
        struct stick_entry *entry = find_entry(bucket, key, &value);
        if (entry == NULL)
            return false;
        if (atomic_compare_exchange_strong(&entry->value, &value, fresh))
            return true;
    }
    return false;
}

static bool is_being_written(uint64_t key, uint64_t now_ms)
{
    return key != 0 && (key & KEY_BIT) == 0 && now_ms < (key >> TOKEN_BITS) + WRITING_MS;
}

/* The place whose entry expires first; NULL when somebody is writing to each. */
static struct stick_entry *find_oldest(struct stick_entry *bucket, uint64_t now_ms,
                                       uint64_t *key_out)
{
    struct stick_entry *oldest = NULL;
    uint64_t least = UINT64_MAX;

    for (int way = 0; way < STICK_WAYS; way++) {
        uint64_t key = atomic_load(&bucket[way].key);
        if (is_being_written(key, now_ms))
            continue;
        uint64_t value = (key & KEY_BIT) != 0 ? atomic_load(&bucket[way].value) : 0;
        if (value >= least)
            continue;
        least = value;
        oldest = &bucket[way];
        *key_out = key;
    }
    return oldest;
}

/* With our mark in the entry's key: the value, then the key. */
static void write_entry(struct stick_entry *entry, uint64_t mark, uint64_t key, uint64_t fresh)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t value = atomic_load(&entry->value);
        if (atomic_load(&entry->key) != mark)
            return;
        if (!atomic_compare_exchange_strong(&entry->value, &value, fresh))
            continue; /* the last key's client was just having it renewed */
        atomic_compare_exchange_strong(&entry->key, &mark, key);
        return;
    }
}

void stick_put(const struct segment *segment, uint64_t key, uint32_t host, uint64_t now_ns,
               int64_t duration_ms)
{
    assert(host < SEGMENT_HOSTS);
    struct stick_entry *bucket = bucket_of(segment, key);
    uint64_t now_ms = ms_of(now_ns), left_ms = EXPIRY_MOST - now_ms;
    uint64_t mark = now_ms << TOKEN_BITS | (key & ((1 << TOKEN_BITS) - 1)) | 1;

    if (duration_ms <= 0)
        return;
    uint64_t stays_ms = (uint64_t)duration_ms < left_ms ? (uint64_t)duration_ms : left_ms;
    uint64_t fresh = value_of(segment, host, now_ms + stays_ms);
    for (int i = 0; i < TRIES && !renew(bucket, key, fresh); i++) {
        uint64_t before;
        struct stick_entry *entry = find_oldest(bucket, now_ms, &before);
        if (entry == NULL)
            return;
        if (!atomic_compare_exchange_strong(&entry->key, &before, mark))
            continue;
        write_entry(entry, mark, key, fresh);
        return;
    }
}

uint64_t stick_count(const struct segment *segment, uint64_t now_ns)
{
    size_t bytes = segment->daemon->sizes.stick_entries * sizeof *segment->stick;
    uint64_t n = 0;
    size_t end = 0;

    for (size_t at = 0; segment_find_used(segment, segment->stick, bytes, &at, &end); at = end)
        for (size_t i = at / sizeof *segment->stick; i < end / sizeof *segment->stick; i++)
            n += (atomic_load(&segment->stick[i].key) & KEY_BIT) != 0 &&
                 atomic_load(&segment->stick[i].value) >> EXPIRY_SHIFT > ms_of(now_ns);
    return n;
}

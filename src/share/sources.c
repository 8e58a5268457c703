/* SPDX-License-Identifier: MIT */
/* Connections now and their rate by source, exact over all workers. */
#include "share/sources.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "share/segment.h"

/*
 * How it works. Whose an entry is and how many connections it counts lie in one word, so that a
 * connection is counted for the right source or not at all. The word's version moves with each
 * connection that enters, and with each new owner.
 *
 * An entry goes to another source by a claim: one word of the bucket, which names place, version of the
 * place and new owner. Whoever comes to a bucket that has a claim carries it out before he does
 * anything else: he makes the claim's fingerprint the owner if the place's version still is the claim's
 * (else somebody has entered there, and nothing comes of it), then takes the claim off. So none has
 * to wait for one who stands still, and one who was killed leaves nothing that is not finished by the next.
 *
 * Why two entries never belong to one fingerprint: owners change by claims alone, and there is one
 * claim at a time. It is put there by swapping the very word that was read before the bucket was searched
 * in vain; that word grows with each claim, so none was carried out since, and the search still holds.
 * Why an owner never loses what counts: a place is claimed when it has no connection and its due time
 * has passed, with the version it then had. Both can change only by a connection that enters, which moves
 * the version first; it moves the due time while it is counted.
 */

enum {
    OPEN_BITS = 22,
    VERSION_BITS = 10,
    MARK_BITS = 32, /* the fingerprint; the choice of the bucket tells more of the key apart */
    SERIAL_BITS = 17,
    WAY_BITS = 4,
    TRIES = 64 /* each failure means that another has just changed the bucket */
};
#define OPEN_MOST ((UINT64_C(1) << OPEN_BITS) - 1)
#define VERSION_MOST ((UINT64_C(1) << VERSION_BITS) - 1)
#define MARK_MOST ((UINT64_C(1) << MARK_BITS) - 1)
#define SERIAL_MOST ((UINT64_C(1) << SERIAL_BITS) - 1)
#define HOUR_NS UINT64_C(3600000000000)
#define TOLERANCE_MOST (UINT64_C(1) << 62) /* so that no sum below can wrap */

_Static_assert(MARK_BITS + VERSION_BITS + OPEN_BITS == 64, "an entry's word");
_Static_assert(1 + WAY_BITS + VERSION_BITS + SERIAL_BITS + MARK_BITS == 64, "a claim");
_Static_assert(SOURCE_WAYS <= 1 << WAY_BITS, "a claim names any place");
_Static_assert(sizeof(struct source_bucket) == 256, "whole cache lines");

uint64_t source_key(const struct segment *segment, uint32_t service, const struct addr *client,
                    int inet_bits, int inet6_bits)
{
    unsigned char bytes[sizeof service + ADDR_PREFIX_BYTES];

    memcpy(bytes, &service, sizeof service);
    addr_prefix(bytes + sizeof service, client, inet_bits, inet6_bits);
    return hash_bytes(&segment->daemon->secret, bytes, sizeof bytes);
}

/* Words */

static uint64_t make_word(uint64_t mark, uint64_t version, uint64_t open)
{
    return mark << (VERSION_BITS + OPEN_BITS) | (version & VERSION_MOST) << OPEN_BITS | open;
}

static uint64_t mark_of(uint64_t word)
{
    return word >> (VERSION_BITS + OPEN_BITS);
}

static uint64_t version_of(uint64_t word)
{
    return word >> OPEN_BITS & VERSION_MOST;
}

static uint64_t open_of(uint64_t word)
{
    return word & OPEN_MOST;
}

/* The fingerprint of a key; never 0, which is nobody's. */
static uint64_t mark_of_key(uint64_t key)
{
    uint64_t mark = key >> (64 - MARK_BITS);
    return mark != 0 ? mark : 1;
}

static struct source_entry *entry_of(const struct segment *segment, uint32_t entry)
{
    assert(entry > 0 && entry <= segment->daemon->sizes.source_entries);
    return &segment->sources[(entry - 1) / SOURCE_WAYS].entries[(entry - 1) % SOURCE_WAYS];
}

/* Claims; from the top: whether it holds, place, its version, a serial number, the new owner. */

static bool is_claim(uint64_t claim)
{
    return claim >> 63 != 0;
}

static uint64_t serial_of(uint64_t claim)
{
    return claim >> MARK_BITS & SERIAL_MOST;
}

static uint64_t make_claim(uint64_t before, int way, uint64_t version, uint64_t mark)
{
    uint64_t serial = (serial_of(before) + 1) & SERIAL_MOST;
    uint64_t place = UINT64_C(1) << WAY_BITS | (uint64_t)way;
    return ((place << VERSION_BITS | version) << SERIAL_BITS | serial) << MARK_BITS | mark;
}

static void carry_out(struct source_bucket *bucket, uint64_t claim)
{
    uint64_t way = claim >> (VERSION_BITS + SERIAL_BITS + MARK_BITS) & ((1 << WAY_BITS) - 1);
    uint64_t version = claim >> (SERIAL_BITS + MARK_BITS) & VERSION_MOST;
    uint64_t none = serial_of(claim) << MARK_BITS;
    struct source_entry *entry = &bucket->entries[way];
    uint64_t word = atomic_load(&entry->word);

    /* Read while the claim held: else its version might be a later one that looks the same. */
    if (atomic_load(&bucket->claim) != claim)
        return;
    if (version_of(word) == version && open_of(word) == 0)
        atomic_compare_exchange_strong(&entry->word, &word,
                                       make_word(claim & MARK_MOST, version + 1, 0));
    atomic_compare_exchange_strong(&bucket->claim, &claim, none);
}

/* The bucket's claim word while there is no claim. */
static uint64_t clear_claim(struct source_bucket *bucket)
{
    uint64_t claim = atomic_load(&bucket->claim);

    while (is_claim(claim)) {
        carry_out(bucket, claim);
        claim = atomic_load(&bucket->claim);
    }
    return claim;
}

/* Time */

/* Not earlier than any time that somebody has gone by here: who comes later finds it later. */
static uint64_t latest(struct source_bucket *bucket, uint64_t now_ns)
{
    uint64_t seen = atomic_load(&bucket->now_ns);

    while (seen < now_ns)
        if (atomic_compare_exchange_weak(&bucket->now_ns, &seen, now_ns))
            return now_ns;
    return seen;
}

struct rate {
    uint64_t every_ns;     /* between two connections that come evenly; 0 = no limit */
    uint64_t tolerance_ns; /* how long before it is due one may come */
};

static struct rate rate_of(const struct source_limits *limits)
{
    struct rate rate = {0, 0};
    uint64_t per_hour = limits->rate_per_hour > 0 ? (uint64_t)limits->rate_per_hour : 0;
    uint64_t more = limits->burst > 1 ? (uint64_t)limits->burst - 1 : 0;

    if (per_hour == 0)
        return rate;
    /* Rounded up: never more than was asked for. */
    rate.every_ns = (HOUR_NS + per_hour - 1) / per_hour;
    rate.tolerance_ns =
        more < TOLERANCE_MOST / rate.every_ns ? more * rate.every_ns : TOLERANCE_MOST;
    return rate;
}

/* Moves the due time on by one connection, or returns false when that comes too early. */
static bool take_turn(struct source_bucket *bucket, struct source_entry *entry,
                      const struct rate *rate, uint64_t now_ns)
{
    uint64_t due_ns = atomic_load(&entry->due_ns);
    uint64_t from_ns;

    do {
        /* After due_ns was read, hence not earlier than the time it was reckoned from. */
        now_ns = latest(bucket, now_ns);
        uint64_t last_ns = now_ns + rate->tolerance_ns;
        from_ns = due_ns > now_ns ? due_ns : now_ns;
        /* A lower rate was in force when it got there: it need not be waited for. */
        if (from_ns > last_ns + rate->every_ns)
            from_ns = last_ns;
        if (from_ns > last_ns)
            return false;
    } while (!atomic_compare_exchange_weak(&entry->due_ns, &due_ns, from_ns + rate->every_ns));
    return true;
}

/* A look in advance, so that who comes much too early is not even counted for a moment. */
static bool is_too_early(struct source_bucket *bucket, const struct source_entry *entry,
                         const struct rate *rate, uint64_t now_ns)
{
    uint64_t due_ns = atomic_load(&entry->due_ns);
    uint64_t last_ns = latest(bucket, now_ns) + rate->tolerance_ns;

    return rate->every_ns > 0 && due_ns > last_ns && due_ns <= last_ns + rate->every_ns;
}

/* Entering and leaving */

static int find_way(const struct source_bucket *bucket, uint64_t mark)
{
    for (int way = 0; way < SOURCE_WAYS; way++)
        if (mark_of(atomic_load(&bucket->entries[way].word)) == mark)
            return way;
    return -1;
}

/*
 * Claims a place that counts nothing.
 * before  the claim word, read before the bucket was searched for mark
 * Returns false when every place counts something.
 */
static bool claim_way(struct source_bucket *bucket, uint64_t before, uint64_t mark,
                      uint64_t now_ns)
{
    for (int way = 0; way < SOURCE_WAYS; way++) {
        const struct source_entry *entry = &bucket->entries[way];
        uint64_t word = atomic_load(&entry->word);
        if (open_of(word) != 0 || atomic_load(&entry->due_ns) > latest(bucket, now_ns))
            continue;
        uint64_t claim = make_claim(before, way, version_of(word), mark);
        if (atomic_compare_exchange_strong(&bucket->claim, &before, claim))
            carry_out(bucket, claim);
        return true;
    }
    return false;
}

enum entering { ENTER_DONE, ENTER_TOO_MANY, ENTER_LOST };

/* Counts one connection more for the entry's owner, if that is mark. */
static enum entering raise_open(struct source_entry *entry, uint64_t mark, int64_t most_open)
{
    uint64_t most =
        most_open > 0 && (uint64_t)most_open < OPEN_MOST ? (uint64_t)most_open : OPEN_MOST;
    uint64_t word = atomic_load(&entry->word);
    uint64_t next;

    do {
        if (mark_of(word) != mark)
            return ENTER_LOST;
        if (open_of(word) >= most)
            return ENTER_TOO_MANY;
        next = make_word(mark, version_of(word) + 1, open_of(word) + 1);
    } while (!atomic_compare_exchange_weak(&entry->word, &word, next));
    return ENTER_DONE;
}

static void lower_open(struct source_entry *entry, uint64_t by)
{
    uint64_t word = atomic_load(&entry->word);
    uint64_t less;

    do {
        less = by < open_of(word) ? by : open_of(word);
    } while (!atomic_compare_exchange_weak(&entry->word, &word, word - less));
}

/* ENTER_LOST has no verdict: false. */
static bool try_entry(struct source_bucket *bucket, int way, uint64_t mark,
                      const struct source_limits *limits, uint64_t now_ns,
                      enum source_verdict *verdict)
{
    struct source_entry *entry = &bucket->entries[way];
    const struct rate rate = rate_of(limits);

    if (is_too_early(bucket, entry, &rate, now_ns)) {
        *verdict = SOURCE_TOO_FAST;
        return mark_of(atomic_load(&entry->word)) == mark; /* it was its due time */
    }
    enum entering entering = raise_open(entry, mark, limits->most_open);
    if (entering == ENTER_LOST)
        return false;
    *verdict = entering == ENTER_DONE ? SOURCE_ENTERED : SOURCE_TOO_MANY;
    if (entering == ENTER_DONE && rate.every_ns > 0 &&
        !take_turn(bucket, entry, &rate, now_ns)) {
        lower_open(entry, 1);
        *verdict = SOURCE_TOO_FAST;
    }
    return true;
}

enum source_verdict source_enter(const struct segment *segment, uint64_t key,
                                 const struct source_limits *limits, uint64_t now_ns,
                                 uint32_t *entry_out)
{
    uint64_t n_buckets = segment->daemon->sizes.source_entries / SOURCE_WAYS;
    uint64_t at = key % n_buckets, mark = mark_of_key(key);
    struct source_bucket *bucket = &segment->sources[at];
    enum source_verdict verdict = SOURCE_NO_ROOM;

    if (atomic_load_explicit(&segment->daemon->has_sources, memory_order_relaxed) == 0)
        atomic_store(&segment->daemon->has_sources, 1);
    for (int i = 0; i < TRIES; i++) {
        uint64_t claim = clear_claim(bucket);
        int way = find_way(bucket, mark);
        if (way < 0 && !claim_way(bucket, claim, mark, now_ns))
            return SOURCE_NO_ROOM;
        if (way < 0 || !try_entry(bucket, way, mark, limits, now_ns, &verdict))
            continue;
        if (verdict == SOURCE_ENTERED)
            *entry_out = (uint32_t)(at * SOURCE_WAYS) + (uint32_t)way + 1;
        return verdict;
    }
    return SOURCE_NO_ROOM;
}

void source_leave(const struct segment *segment, uint32_t entry)
{
    lower_open(entry_of(segment, entry), 1);
}

/* For the audit */

void source_lower(const struct segment *segment, uint32_t entry, int64_t by)
{
    assert(by >= 0);
    lower_open(entry_of(segment, entry), (uint64_t)by);
}

int64_t source_open(const struct segment *segment, uint32_t entry, uint64_t *word_out)
{
    *word_out = atomic_load(&entry_of(segment, entry)->word);
    return (int64_t)open_of(*word_out);
}

uint32_t source_next(const struct segment *segment, struct source_walk *walk)
{
    enum { BYTES = sizeof(struct source_bucket) };
    size_t bytes = segment->daemon->sizes.source_entries / SOURCE_WAYS * BYTES;
    size_t at = (size_t)(walk->entry / SOURCE_WAYS) * BYTES; /* entries are counted from 1 */
    uint32_t way = walk->entry % SOURCE_WAYS;

    while (at < walk->end ||
           segment_find_used(segment, segment->sources, bytes, &at, &walk->end)) {
        const struct source_bucket *bucket = &segment->sources[at / BYTES];
        for (; way < SOURCE_WAYS; way++) {
            if (open_of(atomic_load(&bucket->entries[way].word)) == 0)
                continue;
            walk->entry = (uint32_t)(at / BYTES) * SOURCE_WAYS + way + 1;
            return walk->entry;
        }
        at += BYTES;
        way = 0;
    }
    return 0;
}

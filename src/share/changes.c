/* SPDX-License-Identifier: MIT */
/* The last changes of each host's state: written by any process, read whole or not at all. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "share/hosts.h"
#include "share/segment.h"

/*
 * How it works. A writer takes a number, which says what row it writes to, then fills the row, and
 * marks it last. It may be killed meanwhile, or stand still until others have come round to its row:
 * neither can be kept from happening without a lock. So the mark is a check sum of the number
 * and of all that was written: what two writers have mixed, or one has left half done, does not
 * fit its mark, and counts as lost.
 */

/* All that the mark vouches for; no padding, since it is hashed as bytes. */
struct words {
    uint32_t number; /* counted from 1 */
    uint32_t state;
    int64_t at_ns;
    char reason[HOST_REASON_BYTES]; /* zeroes behind its end */
};
_Static_assert(sizeof(struct words) == 16 + HOST_REASON_BYTES, "no padding");

static uint32_t mark_of(const struct words *words)
{
    static const struct hash_key key = {{0, 0}};
    return (uint32_t)hash_bytes(&key, words, sizeof *words) | 1; /* never 0: an empty row */
}

/* The row of the change with this number. */
static struct host_change *row_of(const struct segment *segment, uint32_t host, uint32_t number)
{
    assert(host < SEGMENT_HOSTS);
    return &segment->host_changes[(size_t)host * HOST_CHANGES + (number - 1) % HOST_CHANGES];
}

void host_note_change(const struct segment *segment, uint32_t host, enum host_state state,
                      const char *reason)
{
    struct words words = {.state = (uint32_t)state, .at_ns = clock_wall_ns()};

    words.number = atomic_fetch_add(&segment->hosts[host].change_count, 1) + 1;
    memcpy(words.reason, reason, strnlen(reason, HOST_REASON_BYTES - 1));
    struct host_change *row = row_of(segment, host, words.number);
    atomic_store_explicit(&row->state, words.state, memory_order_relaxed);
    atomic_store_explicit(&row->at_ns, words.at_ns, memory_order_relaxed);
    for (size_t i = 0; i < HOST_REASON_BYTES; i++)
        atomic_store_explicit(&row->reason[i], words.reason[i], memory_order_relaxed);
    atomic_store(&row->mark, mark_of(&words));
}

bool host_read_change(const struct segment *segment, uint32_t host, uint32_t n,
                      struct host_change_copy *out)
{
    uint32_t count = atomic_load(&segment->hosts[host].change_count);

    if (n >= HOST_CHANGES || n >= count)
        return false;
    struct words words = {.number = count - n};
    const struct host_change *row = row_of(segment, host, words.number);
    uint32_t mark = atomic_load(&row->mark);
    words.state = atomic_load_explicit(&row->state, memory_order_relaxed);
    words.at_ns = atomic_load_explicit(&row->at_ns, memory_order_relaxed);
    for (size_t i = 0; i < HOST_REASON_BYTES; i++)
        words.reason[i] = atomic_load_explicit(&row->reason[i], memory_order_relaxed);
    if (mark != mark_of(&words) || words.state > HOST_UNRESOLVED)
        return false;
    out->state = (enum host_state)words.state;
    out->at_ns = words.at_ns;
    memcpy(out->reason, words.reason, HOST_REASON_BYTES);
    out->reason[HOST_REASON_BYTES - 1] = '\0';
    return true;
}

void host_clear_changes(const struct segment *segment, uint32_t host)
{
    uint32_t count = atomic_exchange(&segment->hosts[host].change_count, 0);

    /* Rows never written are not touched: that would bring their pages into being. */
    for (uint32_t number = 1; number <= HOST_CHANGES && number <= count; number++)
        atomic_store(&row_of(segment, host, number)->mark, 0);
}

/* SPDX-License-Identifier: MIT */
/* One row per group: the cursor all workers share, the epoch of its hosts, how many are ejected. */
#include "share/groups.h"

#include <assert.h>

#include "base/clock.h"
#include "share/segment.h"

/* Epochs wrap: the one that is less than half the circle ahead is the newer. */
static bool epoch_is_newer(uint32_t epoch, uint32_t than)
{
    return (int32_t)(epoch - than) > 0;
}

uint32_t group_next_position(struct group_row *row, uint32_t epoch, uint32_t length,
                             uint32_t start)
{
    assert(length > 0);
    uint64_t word = atomic_load(&row->cursor);

    for (;;) {
        uint32_t cursor_epoch = (uint32_t)(word >> 32);
        /* Two configurations of one group may differ in length during a reload: hence modulo. */
        uint32_t position = (uint32_t)word % length;
        if (epoch_is_newer(cursor_epoch, epoch))
            return position;
        if (cursor_epoch != epoch)
            position = start % length;
        uint64_t next = (uint64_t)epoch << 32 | (position + 1) % length;
        if (atomic_compare_exchange_weak(&row->cursor, &word, next))
            return position;
    }
}

bool group_peek_position(const struct group_row *row, uint32_t epoch, uint32_t *position_out)
{
    uint64_t word = atomic_load(&row->cursor);

    if ((uint32_t)(word >> 32) != epoch)
        return false;
    *position_out = (uint32_t)word;
    return true;
}

void group_touch(const struct segment *segment, uint32_t group)
{
    assert(group < SEGMENT_GROUPS);
    atomic_fetch_add(&segment->groups[group].epoch, 1);
}

bool group_may_complain(struct group_row *row, uint64_t now_ns, uint64_t *unshown)
{
    uint64_t next_ns = atomic_load(&row->no_host_next_ns);
    /* Beyond a second ahead it cannot be of our clock. */
    bool is_early = next_ns > now_ns && next_ns - now_ns <= CLOCK_NS_PER_S;

    /* Who loses the exchange was not the first in this second. */
    if (is_early || !atomic_compare_exchange_strong(&row->no_host_next_ns, &next_ns,
                                                    now_ns + CLOCK_NS_PER_S)) {
        atomic_fetch_add(&row->no_host_unshown, 1);
        return false;
    }
    *unshown = atomic_exchange(&row->no_host_unshown, 0);
    return true;
}

void group_reset(const struct segment *segment, uint32_t group)
{
    assert(group < SEGMENT_GROUPS);
    struct group_row *row = &segment->groups[group];

    segment_raise(&segment->daemon->groups_used, group + 1);
    atomic_store(&row->is_used, 0);
    atomic_store(&row->cursor, 0);
    atomic_store(&row->epoch, 0);
    atomic_store(&row->ejected, 0);
    atomic_store(&row->no_host_next_ns, 0);
    atomic_store(&row->no_host_unshown, 0);
}

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

static _Atomic uint64_t *first_of(const struct segment *segment, uint32_t group, uint32_t slot)
{
    assert(group < SEGMENT_GROUPS && slot < SEGMENT_SLOTS);
    return &segment->line_firsts[(size_t)group * SEGMENT_SLOTS + slot];
}

uint64_t group_line_ticket(struct group_row *row)
{
    return atomic_fetch_add(&row->next_ticket, 1) + 1;
}

void group_line_set_first(const struct segment *segment, uint32_t group, uint32_t slot,
                          uint64_t ticket)
{
    atomic_store(first_of(segment, group, slot), ticket);
}

static bool can_serve(const struct slot_row *row, uint64_t now_ns)
{
    uint64_t beat_ns = atomic_load_explicit(&row->heartbeat_ns, memory_order_relaxed);

    /* Its beat may be younger than the caller's time. */
    return atomic_load_explicit(&row->pid, memory_order_relaxed) != 0 &&
           (beat_ns >= now_ns || now_ns - beat_ns <= LINE_PATIENCE_NS);
}

uint64_t group_line_first(const struct segment *segment, uint32_t group, uint64_t now_ns,
                          uint32_t *slot_out)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    uint64_t first = 0;

    for (uint32_t slot = 0; slot < n_slots; slot++) {
        uint64_t ticket = atomic_load(first_of(segment, group, slot));
        if (ticket == 0 || (first != 0 && ticket >= first) ||
            !can_serve(&segment->slots[slot], now_ns))
            continue;
        first = ticket;
        *slot_out = slot;
    }
    return first;
}

/* Whether anybody ever waited for this group: only then its words are looked at, and have a page. */
static bool has_line(const struct segment *segment, uint32_t group)
{
    return atomic_load(&segment->groups[group].next_ticket) != 0;
}

void group_line_leave(const struct segment *segment, uint32_t slot)
{
    uint32_t n_groups = segment_used(&segment->daemon->groups_used, SEGMENT_GROUPS);

    for (uint32_t group = 0; group < n_groups; group++)
        if (has_line(segment, group))
            group_line_set_first(segment, group, slot, 0);
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
    /* Tickets go on from where they are: they need not begin at 1, but must not come twice. */
    if (!has_line(segment, group))
        return;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        group_line_set_first(segment, group, slot, 0);
}

/* SPDX-License-Identifier: MIT */
/* What is put right in the segment when a worker has died: what it is known to have held. */
#include "share/settle.h"

#include <fcntl.h>

/*
 * A process may be killed at any instruction, so nothing is a lock. What a worker holds is written
 * down twice: in its own shard (or its live row, for a source), and in a total over all workers, which is
 * raised before the shard and lowered after it. settle_slot takes a dead worker's shards off the
 * totals; a kill between the two leaves a total too high by one, which is for the audit, see audit.c.
 */

static void settle_hosts(struct segment *segment, uint32_t slot)
{
    for (uint32_t host = 0; host < segment_used(&segment->daemon->hosts_used, SEGMENT_HOSTS);
         host++) {
        int64_t held = atomic_exchange(&host_shard(segment, slot, host)->in_flight, 0);
        if (held != 0)
            host_adjust(segment, host, -held);
    }
    /* It may have moved a total without saying so: others would go on reckoning with the old one. */
    host_touch_blocks(segment);
}

static void settle_services(struct segment *segment, uint32_t slot)
{
    for (uint32_t service = 0;
         service < segment_used(&segment->daemon->services_used, SEGMENT_SERVICES); service++) {
        struct service_shard *shard = service_shard(segment, slot, service);
        int64_t held = atomic_exchange(&shard->connections, 0);
        atomic_store(&shard->waiting, 0);
        if (held != 0)
            service_adjust(segment, service, -held);
    }
}

static void settle_sources(struct segment *segment, uint32_t slot, uint32_t n_rows)
{
    for (uint32_t n = 0; n < n_rows; n++) {
        uint32_t source = atomic_exchange(&live_row(segment, slot, n)->source, 0);
        if (source > 0 && source <= segment->daemon->sizes.source_entries)
            source_leave(segment, source);
    }
}

/* Zeroes a worker's part of the live table by giving its pages back. */
static void settle_live(struct segment *segment, uint32_t slot)
{
    _Atomic uint32_t *mark = &segment->slots[slot].live_used;
    uint32_t n_rows = atomic_load(mark) < SEGMENT_LIVE ? atomic_load(mark) : SEGMENT_LIVE;
    unsigned char *first = (unsigned char *)live_row(segment, slot, 0);
    off_t offset = first - (unsigned char *)segment->base;
    off_t length = (off_t)(SEGMENT_LIVE * sizeof(struct live_row));

    if (atomic_load(&segment->daemon->has_sources) != 0)
        settle_sources(segment, slot, n_rows);
    if (fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) != 0)
        for (uint32_t n = 0; n < n_rows; n++)
            atomic_store(&live_row(segment, slot, n)->id, 0);
    atomic_store(mark, 0);
}

void settle_slot(struct segment *segment, uint32_t slot)
{
    settle_hosts(segment, slot);
    settle_services(segment, slot);
    atomic_store(&segment->slots[slot].connections, 0);
    settle_live(segment, slot);
    group_line_leave(segment, slot);

    /* It may have ejected a host without saying so: the others would go on choosing it. */
    uint32_t ejecting = atomic_exchange(&segment->slots[slot].ejecting, 0);
    if (ejecting > 0 && ejecting <= SEGMENT_GROUPS)
        group_touch(segment, ejecting - 1);
    atomic_fetch_add(&segment->daemon->settled, 1);
    atomic_fetch_add(&segment->daemon->change, 1);
}

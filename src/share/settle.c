/* SPDX-License-Identifier: MIT */
/* What is put right in the segment after a worker has died. */
#include "share/settle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/*
 * A process may be killed at any instruction, so nothing is a lock. What a worker holds is written
 * down twice: in its own shard, and in a total over all workers, which is raised before the shard
 * and lowered after it. settle_slot takes a dead worker's shards off the totals; a kill between
 * the two leaves a total too high by one, which no single look can tell from a claim that is
 * being made just now: the audit looks ten times and believes what it saw each time.
 */

/* Zeroes a worker's part of the live table by giving its pages back. */
static void settle_live(struct segment *segment, uint32_t slot)
{
    unsigned char *first = (unsigned char *)live_row(segment, slot, 0);
    off_t offset = first - (unsigned char *)segment->base;
    off_t length = (off_t)(SEGMENT_LIVE * sizeof(struct live_row));

    if (fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0)
        return;
    for (uint32_t n = 0; n < SEGMENT_LIVE; n++)
        atomic_store(&live_row(segment, slot, n)->id, 0);
}

void settle_slot(struct segment *segment, uint32_t slot)
{
    const struct daemon_row *daemon = segment->daemon;

    for (uint32_t host = 0; host < segment_used(&daemon->hosts_used, SEGMENT_HOSTS); host++) {
        int64_t held = atomic_exchange(&host_shard(segment, slot, host)->in_flight, 0);
        if (held != 0)
            atomic_fetch_sub(&segment->hosts[host].in_flight, held);
    }
    for (uint32_t service = 0; service < segment_used(&daemon->services_used, SEGMENT_SERVICES);
         service++) {
        struct service_shard *shard = service_shard(segment, slot, service);
        atomic_store(&shard->connections, 0);
        atomic_store(&shard->waiting, 0);
    }
    atomic_store(&segment->slots[slot].connections, 0);
    settle_live(segment, slot);

    /* It may have ejected a host without saying so: the others would go on choosing it. */
    uint32_t ejecting = atomic_exchange(&segment->slots[slot].ejecting, 0);
    if (ejecting > 0 && ejecting <= SEGMENT_GROUPS)
        group_touch(segment, ejecting - 1);
    atomic_fetch_add(&segment->daemon->change, 1);
}

/* The excess of a host's total over its shards; tries to read while nothing moves. */
static int64_t host_excess(const struct segment *segment, uint32_t host)
{
    enum { TRIES = 4 };
    const struct host_row *row = &segment->hosts[host];
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    int64_t excess = 0;

    for (int i = 0; i < TRIES; i++) {
        int64_t before = atomic_load(&row->in_flight);
        int64_t held = 0;
        for (uint32_t slot = 0; slot < n_slots; slot++)
            held += atomic_load(&host_shard(segment, slot, host)->in_flight);
        int64_t after = atomic_load(&row->in_flight);
        excess = (before < after ? before : after) - held;
        if (before == after)
            break;
    }
    return excess;
}

static void note_excess(struct settle_excess *seen, bool is_first, int64_t excess)
{
    if (is_first || excess < seen->least)
        seen->least = excess;
    if (is_first || excess > seen->most)
        seen->most = excess;
}

static int audit_start(const struct segment *segment, struct settle_audit *audit)
{
    *audit = (struct settle_audit){
        .n_hosts = segment_used(&segment->daemon->hosts_used, SEGMENT_HOSTS),
        .n_groups = segment_used(&segment->daemon->groups_used, SEGMENT_GROUPS),
    };
    audit->hosts = calloc((size_t)audit->n_hosts + 1, sizeof *audit->hosts);
    audit->groups = calloc((size_t)audit->n_groups + 1, sizeof *audit->groups);
    audit->counts = calloc((size_t)audit->n_groups + 1, sizeof *audit->counts);
    if (audit->hosts != NULL && audit->groups != NULL && audit->counts != NULL)
        return 0;
    free(audit->hosts);
    free(audit->groups);
    free(audit->counts);
    *audit = (struct settle_audit){0};
    errno = ENOMEM;
    return -1;
}

int settle_audit_look(struct segment *segment, struct settle_audit *audit)
{
    bool is_first = audit->looks == 0;

    if (is_first && audit_start(segment, audit) != 0)
        return -1;
    memset(audit->counts, 0, audit->n_groups * sizeof *audit->counts);
    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        const struct host_row *row = &segment->hosts[host];
        uint32_t group = atomic_load(&row->group);
        note_excess(&audit->hosts[host], is_first, host_excess(segment, host));
        if (group < audit->n_groups && atomic_load(&row->ejected_until_ns) != 0)
            audit->counts[group]++;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t ejected = atomic_load(&segment->groups[group].ejected);
        note_excess(&audit->groups[group], is_first, ejected - audit->counts[group]);
    }
    audit->looks++;
    return 0;
}

/* What every look agreed on: too high by so much, or (negative) too low. */
static int64_t agreed_excess(const struct settle_excess *seen)
{
    if (seen->least > 0)
        return seen->least;
    return seen->most < 0 ? seen->most : 0;
}

void settle_audit_finish(struct segment *segment, struct settle_audit *audit)
{
    bool has_changed = false;

    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        int64_t excess = agreed_excess(&audit->hosts[host]);
        if (excess == 0)
            continue;
        atomic_fetch_sub(&segment->hosts[host].in_flight, excess);
        has_changed = true;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t excess = agreed_excess(&audit->groups[group]);
        if (excess != 0)
            atomic_fetch_sub(&segment->groups[group].ejected, (uint32_t)excess);
    }
    if (has_changed)
        atomic_fetch_add(&segment->daemon->change, 1);
    free(audit->hosts);
    free(audit->groups);
    free(audit->counts);
    *audit = (struct settle_audit){0};
}

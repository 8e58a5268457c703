/* SPDX-License-Identifier: MIT */
/* What is put right in the segment after a worker has died. */
#ifndef SHARE_SETTLE_H
#define SHARE_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share/segment.h"

/*
 * Settles what a dead worker held: subtracts its shards from the hosts' and services' totals,
 * zeroes its gauges (connections and queued now), releases the sources that its live rows name, frees
 * these rows, takes it out of every waiting line, moves the change counter (places have come
 * free; ring the bells, too). Counters stay.
 * Called by master after the process is reaped and before its slot is used again.
 */
void settle_slot(struct segment *segment, uint32_t slot);

/*
 * One look at what kills at a bad instant may have left: for each host and each service the
 * excess of its total over its shards, for each source that of its count over the live rows that
 * name it, for each group that of its count of ejected hosts over those that are. Call it ten
 * times, some time apart, then finish: totals are lowered by the least excess seen (those of hosts and groups
 * raised, should each look have found them too low). Zero is the state before the first look.
 * Returns 0, or -1 with errno ENOMEM (that look counts for nothing).
 */
struct settle_excess {
    int64_t least, most;
    uint32_t looks; /* that could tell: nothing moved meanwhile */
};
struct settle_source {
    uint32_t entry;
    bool is_quiet; /* nothing moved during the present look */
    uint64_t word; /* at its beginning */
    int64_t open;
    struct settle_excess excess;
};
struct settle_audit {
    uint32_t looks;
    uint32_t n_hosts, n_groups, n_services;
    size_t n_sources;                                /* those still suspected */
    struct settle_excess *hosts, *groups, *services; /* owned, as are the others */
    int64_t *counts;                                 /* ejected hosts by group, of one look */
    struct settle_source *sources;
    uint64_t *beats; /* each slot's heartbeat before the first look */
};
int settle_audit_look(struct segment *segment, struct settle_audit *audit);

/*
 * Whether every running worker has beaten since the first look. A worker that the kernel has put aside between
 * total and shard looks as a dead one does, however often it is looked at: only its next turn tells.
 * Finish not before.
 */
bool settle_audit_is_ripe(const struct segment *segment, const struct settle_audit *audit);

/* Returns true when places have come free: whoever waits should look. */
bool settle_audit_finish(struct segment *segment, struct settle_audit *audit);

/* Gives it up half way. */
void settle_audit_fini(struct settle_audit *audit);

#endif

/* SPDX-License-Identifier: MIT */
/* What is put right in the segment after a worker has died. */
#ifndef SHARE_SETTLE_H
#define SHARE_SETTLE_H

#include <stdint.h>

#include "share/segment.h"

/*
 * Settles what a dead worker held: subtracts its in-flight shards from the hosts' totals,
 * zeroes its gauges (connections and queued now), frees its live rows, moves the change counter
 * (places have come free). Counters stay.
 * Called by master after the process is reaped and before its slot is used again.
 */
void settle_slot(struct segment *segment, uint32_t slot);

/*
 * One look at what kills at a bad instant may have left: for each host the excess of its
 * total over its shards, for each group that of its count of ejected hosts over those that are.
 * Call it ten times over a second, then finish: totals are lowered by the least excess seen
 * (raised, should each look have found them too low). Zero is the state before the first look.
 */
struct settle_excess {
    int64_t least, most;
};
struct settle_sources; /* excess of the sources' counts over the live rows that name them */
struct settle_audit {
    uint32_t looks;
    uint32_t n_hosts, n_groups, n_services;
    struct settle_excess *hosts, *groups, *services; /* owned, as are the others */
    int64_t *counts;                                 /* ejected hosts by group, of one look */
    struct settle_sources *sources;
};
int settle_audit_look(struct segment *segment, struct settle_audit *audit);
void settle_audit_finish(struct segment *segment, struct settle_audit *audit);

#endif

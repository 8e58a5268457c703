/* SPDX-License-Identifier: MIT */
/* One row per group: the cursor all workers share, the epoch of its hosts, how many are ejected. */
#ifndef SHARE_GROUPS_H
#define SHARE_GROUPS_H

#include <stdatomic.h>
#include <stdint.h>

struct segment;

struct group_row {
    _Alignas(64) _Atomic uint64_t
        cursor; /* round robin: high 32 bits epoch, low 32 position; see group_next_position */
    _Alignas(64) _Atomic uint32_t
        epoch; /* moves with every change of weight, state or health of a host in it */
    _Atomic uint32_t ejected; /* hosts ejected now */
    _Atomic uint32_t is_used; /* by master */
    _Atomic uint32_t waiting; /* connections queued now, over all workers */
};

/*
 * The next position of the shared cursor in a cycle of length positions (> 0): 0, 1, …
 * length-1, 0, … over all workers together. A new epoch starts at 0 again, so that every run of
 * k * length picks after a change of weights is exact.
 * epoch  what the caller built its order from
 */
uint32_t group_next_position(struct group_row *row, uint32_t epoch, uint32_t length);

/* Says that something about the group's hosts changed: every worker rebuilds its order at its next pick. */
void group_touch(const struct segment *segment, uint32_t group);

/* Master: makes the row as new. */
void group_reset(const struct segment *segment, uint32_t group);

#endif

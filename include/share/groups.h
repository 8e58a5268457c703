/* SPDX-License-Identifier: MIT */
/* One row per group: the cursor all workers share, the epoch of its hosts, how many are ejected. */
#ifndef SHARE_GROUPS_H
#define SHARE_GROUPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct segment;

/* Connections that wait for a place are counted by service: service_shard.waiting. */
struct group_row {
    _Alignas(64) _Atomic uint64_t
        cursor; /* round robin: high 32 bits epoch, low 32 position; see group_next_position */
    _Alignas(64) _Atomic uint32_t
        epoch; /* moves with every change of weight, state or health of a host in it */
    _Atomic uint32_t ejected; /* hosts ejected now */
    _Atomic uint32_t is_used; /* by master */
    _Atomic uint64_t
        no_host_next_ns; /* when the next line about no usable host may be written */
    _Atomic uint64_t no_host_unshown; /* lines that were not, since the last one */
};

/*
 * The next position of the shared cursor in a cycle of length positions (> 0): 0, 1, …
 * length-1, 0, … over all workers together. A new epoch begins a new cycle, so that every run
 * of k * length picks after a change of weights is exact. A caller whose epoch is older than the
 * cursor's gets the cursor's position and leaves it where it is.
 * epoch  what the caller built its order from
 * start  where a cycle of a new epoch begins, taken modulo length
 */
uint32_t group_next_position(struct group_row *row, uint32_t epoch, uint32_t length,
                             uint32_t start);

/* The position that comes next, taking none; false when the cursor is of another epoch. */
bool group_peek_position(const struct group_row *row, uint32_t epoch, uint32_t *position_out);

/* Says that something about the group's hosts changed: every worker rebuilds its order at its next pick. */
void group_touch(const struct segment *segment, uint32_t group);

/*
 * Whether a worker may write a line about the group's having no usable host: one in a second over
 * all workers and generations.
 * unshown  set, when it may, to how many were not written since the last
 */
bool group_may_complain(struct group_row *row, uint64_t now_ns, uint64_t *unshown);

/* Master: makes the row as new. */
void group_reset(const struct segment *segment, uint32_t group);

#endif

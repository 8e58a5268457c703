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
    _Atomic uint64_t no_host_unshown;          /* lines that were not, since the last one */
    _Alignas(64) _Atomic uint64_t next_ticket; /* of who waits for a place; see group_line_… */
};

/*
 * The waiting line of a group over all workers. Who joins takes a ticket, which only grow; each
 * worker says which ticket stands first in its own part of the line. A place that comes free is for
 * the lowest of these. A worker whose heartbeat is older than LINE_PATIENCE_NS is passed over,
 * so that one that is stuck holds nobody up.
 */
#define LINE_PATIENCE_NS UINT64_C(300000000)

/* A new ticket, above 0. Tickets of one group only grow. */
uint64_t group_line_ticket(struct group_row *row);

/*
 * By a worker: the lowest ticket in its part of the line; 0 = nobody waits there.
 * Who joins sets it first and then looks for a free place once more; who gives a place back does
 * that first and then asks group_line_first: so that one of the two sees the other.
 */
void group_line_set_first(const struct segment *segment, uint32_t group, uint32_t slot,
                          uint64_t ticket);

/*
 * Who is to be served next.
 * slot_out  where it waits
 * Workers that are being replaced, or silent for longer than LINE_PATIENCE_NS, are passed over.
 * Returns its ticket, or 0 when nobody waits anywhere. Costs a look at one word per used slot.
 */
uint64_t group_line_first(const struct segment *segment, uint32_t group, uint64_t now_ns,
                          uint32_t *slot_out);

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

/* For settling: nobody waits in the slot, in any group. */
void group_line_leave(const struct segment *segment, uint32_t slot);

/*
 * Whether a worker may write a line about the group's having no usable host: one in a second over
 * all workers and generations.
 * unshown  set, when it may, to how many were not written since the last
 */
bool group_may_complain(struct group_row *row, uint64_t now_ns, uint64_t *unshown);

/* Master: makes the row as new. */
void group_reset(const struct segment *segment, uint32_t group);

#endif

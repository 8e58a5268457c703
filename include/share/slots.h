/* SPDX-License-Identifier: MIT */
/* One row per worker slot: who sits there, how it is. */
#ifndef SHARE_SLOTS_H
#define SHARE_SLOTS_H

#include <stdatomic.h>
#include <stdint.h>

#define SLOT_LAG_BUCKETS 16

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_UP, SLOT_STUCK, SLOT_DRAINING };

struct slot_row {
    _Alignas(64) _Atomic uint32_t state; /* enum slot_state; by master */
    _Atomic int32_t pid;                 /* by master; 0 while being replaced */
    _Atomic uint32_t incarnation;        /* by master, grows at each start */
    _Atomic uint64_t restarts;   /* by master: replacements since the slot came into use */
    _Atomic uint64_t generation; /* by the worker: what it acts on */
    _Atomic uint32_t ejecting; /* by the worker: 1 + the group it ejects a host of just now, so
                                    that settle_slot can finish what a kill cut short */
    _Alignas(64) _Atomic uint64_t
        heartbeat_ns;                /* by the worker, monotonic, at least each 100 ms */
    _Atomic uint64_t loop_lag_ns;    /* by the worker: how late its last heartbeat timer ran */
    _Atomic uint64_t connections;    /* by the worker: open now */
    _Atomic uint64_t accepted_total; /* by the worker */
    _Atomic uint64_t accept_paused_total; /* times accepting paused for want of descriptors */
    _Atomic uint64_t busy_ns;       /* time spent outside the poll call, for the page's load */
    _Atomic uint64_t dropped_lines; /* log lines lost */
    _Atomic uint32_t
        live_used; /* by the worker: rows of its live table that were ever taken; see live_take */
    /* By the worker: how late each heartbeat was. Bucket n: at most 2^n * 64 us, and in no lower one; last: all above. */
    _Atomic uint64_t lag_ns_sum, lag_buckets[SLOT_LAG_BUCKETS];
};

/* By the worker: a heartbeat was so late. */
void slot_note_lag(struct slot_row *row, uint64_t lag_ns);

/* "starting" "up" "stuck" "draining" "free". */
const char *slot_state_word(enum slot_state state);

#endif

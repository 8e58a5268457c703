/* SPDX-License-Identifier: MIT */
/* Table of open connections, a part for each worker: for listing, killing, settling. */
#ifndef SHARE_LIVE_H
#define SHARE_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "net/addr.h"

struct segment;

#define LIVE_NONE UINT32_MAX

/*
 * Written by its worker alone. id is stored last when a row is taken, first (as 0) when it
 * is given back: a reader copies the row, then looks whether the id is still the same.
 * The client's address is kept short: an open connection must cost little.
 */
struct live_row {
    _Alignas(64) _Atomic uint64_t id; /* 0 = free */
    _Atomic uint32_t service, host;   /* rows; host UINT32_MAX = none yet */
    _Atomic uint32_t source;  /* entry of share/sources that counts it; 0 = none. Set after it
                                is counted and cleared before it no longer is: settle_slot */
    _Atomic int64_t since_ns; /* wall clock */
    _Atomic uint32_t phase;
    uint16_t client_family, client_port; /* host order */
    unsigned char client_address[16];
};

/*
 * What an open connection has moved, and when last: written by its worker when it is asked to
 * (SLATE_TRAFFIC), so that moving bytes costs no store here, and these pages are touched only then.
 */
struct live_traffic {
    _Atomic uint64_t id; /* of the row then */
    _Atomic uint64_t in_bytes, out_bytes;
    _Atomic uint64_t active_ns; /* monotonic; 0 = no byte yet */
};

/*
 * Ids are unique over all workers and over a slot's earlier ones: the slot and one above a shift, then a count. They stay
 * below 2^53, for JSON's sake.
 */
#define LIVE_ID_SLOT_SHIFT 40

/* The row of a worker. */
struct live_row *live_row(const struct segment *segment, uint32_t slot, uint32_t n);
struct live_traffic *live_traffic(const struct segment *segment, uint32_t slot, uint32_t n);

/* A worker's free list over its part; lives in the worker. Lowest rows first, so that few pages are touched. */
struct live_allot {
    uint32_t *free; /* stack of given-back rows; owned */
    uint32_t n_free, capacity, used;
    _Atomic uint32_t *mark; /* slot_row.live_used; NULL = nobody looks */
};
void live_allot_init(struct live_allot *allot);
void live_allot_fini(struct live_allot *allot);
/*
 * A row number or LIVE_NONE when all are taken. The mark is raised before a row is handed out for
 * the first time: nobody looks at rows beyond it, which have no pages yet.
 */
uint32_t live_take(struct live_allot *allot);
void live_give(struct live_allot *allot, uint32_t row);

#endif

/* SPDX-License-Identifier: MIT */
/* A bell for each worker: rung by another process when rows have changed that it cannot wait to see. */
#ifndef SHARE_BELLS_H
#define SHARE_BELLS_H

#include <stdint.h>

#include "share/segment.h"

/*
 * An eventfd a slot, made by master when the slot comes into use, kept for ever, lent to every worker
 * and to the director. What has changed is in the segment: a bell only says "look".
 */
struct bells {
    int fds[SEGMENT_SLOTS]; /* -1 = none; owned */
};

void bells_init(struct bells *bells);
/* Closes all. */
void bells_fini(struct bells *bells);

/* Master: makes the slot's bell unless it is there. Returns 0, or -1 with errno. */
int bells_make(struct bells *bells, uint32_t slot);

/* Child: takes a lent descriptor over; one that was there before is closed. No such slot: the new one is. */
void bells_put(struct bells *bells, uint32_t slot, int fd);

/* Costs a write(2) a bell; slots without one are passed over. */
void bells_ring(const struct bells *bells, uint32_t slot);
void bells_ring_all(const struct bells *bells);

/* By the slot's worker: silent until the next ring. */
void bells_hush(const struct bells *bells, uint32_t slot);

#endif

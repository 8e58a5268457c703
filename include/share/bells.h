/* SPDX-License-Identifier: MIT */
/* A bell for each worker and the director: rung by another process when there is something that it cannot wait to see. */
#ifndef SHARE_BELLS_H
#define SHARE_BELLS_H

#include <stdint.h>

#include "share/segment.h"

/* Whose bell it is: a worker's slot, or */
enum { BELL_OF_DIRECTOR = SEGMENT_SLOTS, BELLS };

/*
 * An eventfd each, made by master when its process first comes into use, kept for ever, lent to every worker
 * and to the director. What has changed is in the segment: a bell only says "look".
 */
struct bells {
    int fds[BELLS]; /* -1 = none; owned */
};

void bells_init(struct bells *bells);
/* Closes all. */
void bells_fini(struct bells *bells);

/* Master: makes the bell unless it is there. Returns 0, or -1 with errno. */
int bells_make(struct bells *bells, uint32_t whose);

/* Child: takes a lent descriptor over; one that was there before is closed. No such bell: the new one is. */
void bells_put(struct bells *bells, uint32_t whose, int fd);

/* Costs a write(2) a bell; who has none is passed over. All: of the workers. */
void bells_ring(const struct bells *bells, uint32_t whose);
void bells_ring_all(const struct bells *bells);

/* By its owner: silent until the next ring. */
void bells_hush(const struct bells *bells, uint32_t whose);

#endif

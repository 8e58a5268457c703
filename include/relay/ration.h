/* SPDX-License-Identifier: MIT */
/* What a turn of the loop may spend on those who come in: established connections wait no longer for them. */
#ifndef RELAY_RATION_H
#define RELAY_RATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* A piece of work that has begun goes on to its end. */
#define RATION_NS (CLOCK_NS_PER_MS / 2)

/* Of one worker. Zero is one of which nothing is spent. In nanoseconds. */
struct ration {
    uint64_t spent_ns; /* in this turn */
    uint64_t since_ns; /* when the present piece of work began */
};

/* A turn of the loop begins. */
static inline void ration_renew(struct ration *ration)
{
    ration->spent_ns = 0;
}

/*
 * Begins a piece of work for somebody who comes in.
 * Returns false when this turn has spent enough; a descriptor that stays ready is told again in the next.
 */
static inline bool ration_begin(struct ration *ration)
{
    if (ration->spent_ns >= RATION_NS)
        return false;
    ration->since_ns = clock_now_ns();
    return true;
}

static inline void ration_end(struct ration *ration)
{
    ration->spent_ns += clock_now_ns() - ration->since_ns;
}

#endif

/* SPDX-License-Identifier: MIT */
/* What a turn of the loop may spend on those who come in: established connections wait no longer for them. */
#ifndef RELAY_RATION_H
#define RELAY_RATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* A piece of work that has begun goes on to its end. */
#define RATION_NS (CLOCK_NS_PER_MS / 2)

/* Of one worker. Zero is one of which nothing is spent. */
struct ration {
    uint64_t spent_ns; /* in this turn */
    uint64_t since_ns; /* when the present piece of work began */
    bool puts_off;     /* somebody was put off in this turn */
    bool has_put_off;  /* in the turn before */
};

/* A turn of the loop begins. */
static inline void ration_renew(struct ration *ration)
{
    ration->spent_ns = 0;
    ration->has_put_off = ration->puts_off;
    ration->puts_off = false;
}

/*
 * Begins a piece of work for somebody who has come in.
 * Returns false when this turn has spent enough; a descriptor that stays ready is told again in the next.
 */
static inline bool ration_begin(struct ration *ration)
{
    ration->puts_off |= ration->spent_ns >= RATION_NS;
    ration->since_ns = clock_now_ns();
    return ration->spent_ns < RATION_NS;
}

/*
 * The same for accepting another one. Each listener has one in each turn, whatever the others have taken; more come
 * only while nobody waits who has come in before: the order in which the loop calls would else decide who is served.
 */
static inline bool ration_admit(struct ration *ration, bool is_first)
{
    ration->since_ns = clock_now_ns();
    return is_first || (!ration->has_put_off && ration->spent_ns < RATION_NS);
}

static inline void ration_end(struct ration *ration)
{
    ration->spent_ns += clock_now_ns() - ration->since_ns;
}

#endif

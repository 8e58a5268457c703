/* SPDX-License-Identifier: MIT */
/* When a host's next turn is: one in each interval, the hosts spread evenly over it, and no drift. */
#ifndef DIRECTOR_PACE_H
#define DIRECTOR_PACE_H

#include <stdint.h>

/* All moments in monotonic nanoseconds; intervals above 0. */

/* The first turn of the host at this position (below n) among all checked ones. */
uint64_t pace_first(uint64_t now_ns, uint64_t interval_ns, uint64_t position, uint64_t n);

/* The moment in (now, now + interval] that is a whole number of intervals before or after due. */
uint64_t pace_soonest(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns);

/* The turn after the one that was due: an interval later; what has passed meanwhile is left out. */
uint64_t pace_next(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns);

#endif

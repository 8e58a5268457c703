/* SPDX-License-Identifier: MIT */
/* When a host's next turn is: one in each interval, the hosts spread evenly over it, and no drift. */
#include "director/pace.h"

#include <assert.h>

uint64_t pace_first(uint64_t now_ns, uint64_t interval_ns, uint64_t position, uint64_t n)
{
    assert(position < n && n <= UINT32_MAX);
    uint64_t step_ns = interval_ns / n, rest_ns = interval_ns % n;
    return now_ns + step_ns * position + rest_ns * position / n;
}

uint64_t pace_soonest(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns)
{
    assert(interval_ns > 0);
    if (due_ns > now_ns) {
        uint64_t beyond_ns = (due_ns - now_ns) % interval_ns;
        return now_ns + (beyond_ns == 0 ? interval_ns : beyond_ns);
    }
    return now_ns + interval_ns - (now_ns - due_ns) % interval_ns;
}

uint64_t pace_next(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns)
{
    uint64_t next_ns = due_ns + interval_ns;
    return next_ns > now_ns ? next_ns : pace_soonest(due_ns, interval_ns, now_ns);
}

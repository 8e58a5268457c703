/* SPDX-License-Identifier: MIT */
/* One row per worker slot: the words for its states. */
#include "share/slots.h"

#include <stddef.h>

#include "base/counter.h"

#include <stddef.h>

const char *slot_state_word(enum slot_state state)
{
    static const char *const words[] = {
        [SLOT_FREE] = "free",   [SLOT_STARTING] = "starting", [SLOT_UP] = "up",
        [SLOT_STUCK] = "stuck", [SLOT_DRAINING] = "draining",
    };
    if ((size_t)state >= sizeof words / sizeof words[0])
        return "unknown";
    return words[state];
}

void slot_note_lag(struct slot_row *row, uint64_t lag_ns)
{
    uint64_t top_ns = UINT64_C(64000);
    size_t bucket = 0;
    for (; bucket < SLOT_LAG_BUCKETS - 1 && lag_ns > top_ns; bucket++)
        top_ns *= 2;
    counter_add(&row->lag_buckets[bucket], 1);
    counter_add(&row->lag_ns_sum, lag_ns);
}

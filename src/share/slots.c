/* SPDX-License-Identifier: MIT */
/* One row per worker slot: the words for its states. */
#include "share/slots.h"

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

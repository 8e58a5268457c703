/* SPDX-License-Identifier: MIT */
/* The order in which the kernel keeps the sockets of one reuseport group. */
#include "master/lineup.h"

#include <assert.h>

int lineup_find(const struct lineup *lineup, uint32_t slot)
{
    for (int i = 0; i < lineup->n; i++)
        if (lineup->slots[i] == slot)
            return i;
    return -1;
}

void lineup_append(struct lineup *lineup, uint32_t slot)
{
    assert(slot < SEGMENT_SLOTS && lineup->n < SEGMENT_SLOTS);
    assert(lineup_find(lineup, slot) < 0);
    lineup->slots[lineup->n++] = (uint16_t)slot;
}

void lineup_remove(struct lineup *lineup, uint32_t slot)
{
    int at = lineup_find(lineup, slot);
    if (at < 0)
        return;
    lineup->slots[at] = lineup->slots[--lineup->n];
}

int lineup_indexes(const struct lineup *lineup, const bool *may_serve, int but,
                   uint16_t *indexes)
{
    int n = 0;
    for (int i = 0; i < lineup->n; i++)
        if (may_serve[lineup->slots[i]] && lineup->slots[i] != but)
            indexes[n++] = (uint16_t)i;
    return n;
}

int lineup_next_to_leave(const struct lineup *lineup, const bool *is_going)
{
    for (int i = lineup->n - 1; i >= 0; i--)
        if (is_going[lineup->slots[i]])
            return lineup->slots[i];
    return -1;
}

/* SPDX-License-Identifier: MIT */
/* Table of open connections: its rows, with a worker's free list over its part. */
#include "share/live.h"

#include <assert.h>
#include <stdlib.h>

#include "share/segment.h"

enum { FIRST_CAPACITY = 256 };

struct live_row *live_row(const struct segment *segment, uint32_t slot, uint32_t n)
{
    assert(slot < SEGMENT_SLOTS && n < SEGMENT_LIVE);
    return &segment->live[(size_t)slot * SEGMENT_LIVE + n];
}

struct live_traffic *live_traffic(const struct segment *segment, uint32_t slot, uint32_t n)
{
    assert(slot < SEGMENT_SLOTS && n < SEGMENT_LIVE);
    return &segment->live_traffic[(size_t)slot * SEGMENT_LIVE + n];
}

void live_allot_init(struct live_allot *allot)
{
    *allot = (struct live_allot){0};
}

void live_allot_fini(struct live_allot *allot)
{
    free(allot->free);
    *allot = (struct live_allot){0};
}

/* Makes room for every row handed out so far, and one more, to be given back: giving cannot fail. */
static int grow(struct live_allot *allot)
{
    if (allot->used < allot->capacity)
        return 0;
    uint32_t capacity = allot->capacity == 0 ? FIRST_CAPACITY : 2 * allot->capacity;
    uint32_t *rows = realloc(allot->free, capacity * sizeof *rows);
    if (rows == NULL)
        return -1;
    allot->free = rows;
    allot->capacity = capacity;
    return 0;
}

uint32_t live_take(struct live_allot *allot)
{
    if (allot->n_free > 0)
        return allot->free[--allot->n_free];
    if (allot->used == SEGMENT_LIVE || grow(allot) != 0)
        return LIVE_NONE;
    if (allot->mark != NULL)
        atomic_store(allot->mark, allot->used + 1);
    return allot->used++;
}

void live_give(struct live_allot *allot, uint32_t row)
{
    assert(row < allot->used && allot->n_free < allot->used);
    allot->free[allot->n_free++] = row;
}

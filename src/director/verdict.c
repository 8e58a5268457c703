/* SPDX-License-Identifier: MIT */
/* What one result of a check makes of a host's row: runs of results, rise, fall, the stretched interval. */
#include "director/verdict.h"

/* The runs lie in the row, one writer: this process. A director that is replaced goes on from there. */
static uint32_t lengthen(_Atomic uint32_t *run, _Atomic uint32_t *other)
{
    uint32_t length = atomic_load(run);
    if (length < UINT32_MAX)
        atomic_store(run, ++length);
    atomic_store(other, 0);
    return length;
}

enum host_health verdict_note(struct host_row *row, const struct verdict_rules *rules,
                              bool is_good)
{
    enum host_health health = (enum host_health)atomic_load(&row->health);
    atomic_store(&row->checks_total, atomic_load(&row->checks_total) + 1);
    if (is_good) {
        uint32_t run = lengthen(&row->check_good_run, &row->check_bad_run);
        return health != HEALTH_UP && run >= rules->rise ? HEALTH_UP : health;
    }
    atomic_store(&row->check_failures_total, atomic_load(&row->check_failures_total) + 1);
    uint32_t run = lengthen(&row->check_bad_run, &row->check_good_run);
    return health == HEALTH_UP && run >= rules->fall ? HEALTH_DOWN : health;
}

uint32_t verdict_stretch(struct host_row *row, const struct verdict_clients *clients)
{
    uint32_t stretch = atomic_load(&row->check_stretch);
    bool is_well =
        atomic_load(&row->health) == HEALTH_UP && atomic_load(&row->check_good_run) > 0;
    if (!is_well || !clients->has_success || clients->has_fault || stretch == 0)
        stretch = 1;
    else
        stretch = stretch * 2 < STRETCH_MOST ? stretch * 2 : STRETCH_MOST;
    atomic_store(&row->check_stretch, stretch);
    return stretch;
}

enum group_fare verdict_group(uint32_t n_usable, uint32_t n_possible, int64_t fail_open_percent)
{
    if (fail_open_percent > 0 &&
        (uint64_t)n_usable * 100 < (uint64_t)fail_open_percent * n_possible)
        return GROUP_OPEN;
    return n_usable == 0 ? GROUP_EMPTY : GROUP_FINE;
}

/* SPDX-License-Identifier: MIT */
/* The schedulers there are, with what they all need. */
#include "balance/scheduler.h"

#include <stddef.h>

const struct scheduler *scheduler_find(enum scheduler_kind kind)
{
    static const struct scheduler *const schedulers[] = {
        [SCHEDULER_ROUNDROBIN] = &scheduler_roundrobin,
        [SCHEDULER_LEASTCONN] = &scheduler_leastconn,
        [SCHEDULER_RANDOM] = &scheduler_random,
        [SCHEDULER_WEIGHTED] = &scheduler_weighted,
        [SCHEDULER_FIRST] = &scheduler_first,
    };
    if ((size_t)kind >= sizeof schedulers / sizeof schedulers[0])
        return NULL;
    return schedulers[kind];
}

bool scheduler_is_tried(const struct pick_request *request, uint32_t index)
{
    for (uint32_t i = 0; i < request->n_tried; i++)
        if (request->tried[i] == index)
            return true;
    return false;
}

bool scheduler_claim(const struct group *group, uint32_t index)
{
    const struct host *host = &group->hosts[index];

    return host_claim(group->segment, group->slot, host->number, host->model->max_connections);
}

int32_t scheduler_scan(const struct group *group, const struct pick_request *request,
                       uint32_t first)
{
    for (uint32_t n = 0; n < group->n_usable; n++) {
        uint32_t at = first + n < group->n_usable ? first + n : first + n - group->n_usable;
        uint32_t index = group->usable[at];
        if (!scheduler_is_tried(request, index) && scheduler_claim(group, index))
            return (int32_t)index;
    }
    return -1;
}

uint32_t scheduler_weight(const struct group *group, uint32_t index)
{
    uint32_t weight = atomic_load(&group->hosts[index].row->weight);

    return weight > 0 ? weight : 1;
}

/* SPDX-License-Identifier: MIT */
/* Scheduler first: the first host of the file that is usable and has a free place. */
#include <stddef.h>

#include "balance/scheduler.h"

static int prepare(struct group *group)
{
    (void)group; /* group->usable is in the file's order already */
    return 0;
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    for (uint32_t i = 0; group->may_be_cold && i < group->n_usable; i++) {
        uint32_t index = group->usable[i];
        if (!scheduler_is_tried(request, index) && scheduler_is_warm(group, request, index) &&
            scheduler_claim(group, index))
            return (int32_t)index;
    }
    return scheduler_scan(group, request, 0);
}

const struct scheduler scheduler_first = {
    .name = "first", .prepare = prepare, .choose = choose, .fini = NULL};

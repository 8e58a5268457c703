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
    return scheduler_scan(group, request, 0);
}

const struct scheduler scheduler_first = {
    .name = "first", .prepare = prepare, .choose = choose, .fini = NULL};

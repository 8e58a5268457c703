/* SPDX-License-Identifier: MIT */
/* Scheduler roundrobin: by turns according to weight, exact over all workers. */
#include <stddef.h>

#include "balance/order.h"
#include "balance/scheduler.h"

enum { STEPS_MOST = 64 }; /* turns taken in search of a free host before a plain scan */

static int prepare(struct group *group)
{
    struct order *before = group->prepared;
    struct order *order = order_new(group, before);

    if (order == NULL)
        return -1;
    order_free(before);
    group->prepared = order;
    return 0;
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    const struct order *order = group->prepared;
    uint32_t n_steps = order_length(order) < STEPS_MOST ? order_length(order) : STEPS_MOST;
    uint32_t turn = 0;

    for (uint32_t i = 0; i < n_steps; i++) {
        turn = order_next(order, group);
        uint32_t index = group->usable[turn];
        if (!scheduler_is_tried(request, index) && scheduler_claim(group, index))
            return (int32_t)index;
    }
    return scheduler_scan(group, request, turn);
}

static void fini(struct group *group)
{
    order_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_roundrobin = {
    .name = "roundrobin", .prepare = prepare, .choose = choose, .fini = fini};

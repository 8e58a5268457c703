/* SPDX-License-Identifier: MIT */
/* Scheduler roundrobin: by turns according to weight, exact over all workers. */
#include <stddef.h>

#include "balance/order.h"

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
    return order_claim(group->prepared, group, request);
}

static void fini(struct group *group)
{
    order_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_roundrobin = {
    .name = "roundrobin", .prepare = prepare, .choose = choose, .fini = fini};

/* SPDX-License-Identifier: MIT */
/* Scheduler leastconn: the host with the fewest connections for its weight, exact over all workers. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "balance/order.h"
#include "balance/scheduler.h"

/*
 * How it works. The totals of all hosts are looked at, and the least is claimed only if it is
 * still what was seen; else somebody was quicker, and all is looked at again. While connections
 * are only opened, the others can meanwhile only have risen: so equal hosts never differ by
 * more than one, however many workers choose at once. The search begins at the host whose turn
 * it is by round robin and keeps the first of equals, so that short connections, which find every
 * host idle, are shared by weight, too.
 */

/*
 * Each rescan means that another worker has just claimed. Four workers that do nothing but pick
 * came to 36 in a row, once in 80 million picks.
 */
enum { RESCANS_MOST = 1024 };

struct candidate {
    const _Atomic int64_t *in_flight;
    int64_t limit; /* 0 = none */
    int64_t weight;
    uint32_t index; /* into group->hosts */
};

struct leastconn {
    struct order *order;
    uint32_t n_candidates;
    struct candidate candidates[];
};

static void leastconn_free(struct leastconn *least)
{
    if (least == NULL)
        return;
    order_free(least->order);
    free(least);
}

static int prepare(struct group *group)
{
    struct leastconn *before = group->prepared;
    struct leastconn *least =
        malloc(sizeof *least + group->n_usable * sizeof least->candidates[0]);
    struct order *order = order_new(group, before == NULL ? NULL : before->order);

    if (least == NULL || order == NULL) {
        free(least);
        order_free(order);
        errno = ENOMEM;
        return -1;
    }
    least->order = order;
    least->n_candidates = group->n_usable;
    for (uint32_t i = 0; i < group->n_usable; i++) {
        const struct host *host = &group->hosts[group->usable[i]];
        least->candidates[i] = (struct candidate){
            .in_flight = &host->row->in_flight,
            .limit = host->model->max_connections,
            .weight = scheduler_weight(group, group->usable[i]),
            .index = group->usable[i],
        };
    }
    leastconn_free(before);
    group->prepared = least;
    return 0;
}

/* The candidate with the least for its weight, the first of equals from first on; NULL: none is free. */
static const struct candidate *find_least(const struct leastconn *least,
                                          const struct pick_request *request, uint32_t first,
                                          int64_t *in_flight_out)
{
    const struct candidate *best = NULL;
    int64_t best_in_flight = 0;

    for (uint32_t n = 0; n < least->n_candidates; n++) {
        uint32_t at = first + n;
        if (at >= least->n_candidates)
            at -= least->n_candidates;
        const struct candidate *candidate = &least->candidates[at];
        int64_t in_flight = atomic_load(candidate->in_flight);
        if (candidate->limit > 0 && in_flight >= candidate->limit)
            continue;
        if (best != NULL && in_flight * best->weight >= best_in_flight * candidate->weight)
            continue;
        if (scheduler_is_tried(request, candidate->index))
            continue;
        best = candidate;
        best_in_flight = in_flight;
        if (in_flight <= 0)
            break;
    }
    *in_flight_out = best_in_flight;
    return best;
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    const struct leastconn *least = group->prepared;
    uint32_t first = order_next(least->order, group);

    for (int i = 0; i < RESCANS_MOST; i++) {
        int64_t in_flight;
        const struct candidate *best = find_least(least, request, first, &in_flight);
        if (best == NULL)
            return -1;
        uint32_t number = group->hosts[best->index].number;
        if (host_claim_expected(group->segment, group->slot, number, in_flight) == CLAIM_TAKEN)
            return (int32_t)best->index;
    }
    return scheduler_scan(group, request, first);
}

static void fini(struct group *group)
{
    leastconn_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_leastconn = {
    .name = "leastconn", .prepare = prepare, .choose = choose, .fini = fini};

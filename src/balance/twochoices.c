/* SPDX-License-Identifier: MIT */
/* Scheduler twochoices: of two hosts drawn by weight, the one with fewer connections for its weight. */
#include <stddef.h>
#include <stdlib.h>

#include "balance/chances.h"
#include "balance/scheduler.h"

/*
 * The power of two choices (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
 * 2001): as good as the least of all in keeping hosts from being overrun, at the price of two looks;
 * and workers, or balancers, that do not know of one another never all run to the same host.
 */

enum { DRAWS_MOST = 8 }; /* before a plain scan */

static int prepare(struct group *group)
{
    struct chances *chances = chances_new(group);

    if (chances == NULL)
        return -1;
    free(group->prepared);
    group->prepared = chances;
    return 0;
}

/* Whether the one (indexes into group->usable) has more connections for its weight than the other. */
static bool has_more(const struct group *group, uint64_t now_ns, uint32_t one, uint32_t other)
{
    const struct chances *chances = group->prepared;
    const uint32_t pair[2] = {one, other};
    int64_t in_flight[2], weight[2];

    for (int i = 0; i < 2; i++) {
        uint32_t index = group->usable[pair[i]];
        in_flight[i] = atomic_load(&group->hosts[index].row->in_flight);
        weight[i] =
            (int64_t)chances_weight(chances, pair[i]) * scheduler_warmth(group, now_ns, index);
    }
    return in_flight[0] * weight[1] > in_flight[1] * weight[0];
}

static bool try_claim(const struct group *group, const struct pick_request *request,
                      uint32_t at)
{
    uint32_t index = group->usable[at];

    return !scheduler_is_tried(request, index) && scheduler_is_warm(group, request, index) &&
           scheduler_claim(group, index);
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    const struct chances *chances = group->prepared;
    uint32_t one = 0;

    for (int i = 0; group->n_usable > 1 && i < DRAWS_MOST; i++) {
        one = chances_draw(chances, group->random);
        uint32_t other = chances_draw_other(chances, group->random, one);
        bool is_other_first = has_more(group, request->now_ns, one, other);
        uint32_t better = is_other_first ? other : one;
        if (try_claim(group, request, better))
            return (int32_t)group->usable[better];
        uint32_t worse = is_other_first ? one : other;
        if (try_claim(group, request, worse))
            return (int32_t)group->usable[worse];
    }
    return scheduler_scan(group, request, one);
}

static void fini(struct group *group)
{
    free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_twochoices = {
    .name = "twochoices", .prepare = prepare, .choose = choose, .fini = fini};

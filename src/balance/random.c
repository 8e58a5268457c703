/* SPDX-License-Identifier: MIT */
/* Schedulers random and weighted: by chance, evenly or according to weight. */
#include <stddef.h>
#include <stdlib.h>

#include "balance/chances.h"
#include "balance/scheduler.h"

/* Throws of the dice before a plain scan: with half the places full or tried, one in 65536 fails. */
enum { THROWS_MOST = 16 };

static int prepare_even(struct group *group)
{
    (void)group; /* nothing but the number of usable hosts counts */
    return 0;
}

static uint32_t throw_even(const struct group *group)
{
    return (uint32_t)random_below(group->random, group->n_usable);
}

static int prepare_weighted(struct group *group)
{
    struct chances *chances = chances_new(group);

    if (chances == NULL)
        return -1;
    free(group->prepared);
    group->prepared = chances;
    return 0;
}

static uint32_t throw_weighted(const struct group *group)
{
    return chances_draw(group->prepared, group->random);
}

static int32_t choose(const struct group *group, const struct pick_request *request,
                      uint32_t (*throw_dice)(const struct group *group))
{
    for (int i = 0; i < THROWS_MOST; i++) {
        uint32_t index = group->usable[throw_dice(group)];
        if (!scheduler_is_tried(request, index) && scheduler_is_warm(group, request, index) &&
            scheduler_claim(group, index))
            return (int32_t)index;
    }
    return scheduler_scan(group, request, throw_dice(group));
}

static int32_t choose_even(struct group *group, const struct pick_request *request)
{
    return choose(group, request, throw_even);
}

static int32_t choose_weighted(struct group *group, const struct pick_request *request)
{
    return choose(group, request, throw_weighted);
}

static void fini_weighted(struct group *group)
{
    free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_random = {
    .name = "random", .prepare = prepare_even, .choose = choose_even, .fini = NULL};

const struct scheduler scheduler_weighted = {.name = "weighted",
                                             .prepare = prepare_weighted,
                                             .choose = choose_weighted,
                                             .fini = fini_weighted};

/* SPDX-License-Identifier: MIT */
/* Drawing among a group's usable hosts by lot, each with the chance its weight gives it. */
#include "balance/chances.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "balance/scheduler.h"

struct chances {
    uint32_t n_hosts;
    uint64_t upto[]; /* sums of the weights before each host; behind the last: of all */
};

struct chances *chances_new(const struct group *group)
{
    struct chances *chances =
        malloc(sizeof *chances + ((size_t)group->n_usable + 1) * sizeof chances->upto[0]);

    if (chances == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    chances->n_hosts = group->n_usable;
    chances->upto[0] = 0;
    for (uint32_t i = 0; i < group->n_usable; i++)
        chances->upto[i + 1] = chances->upto[i] + scheduler_weight(group, group->usable[i]);
    return chances;
}

/* Halves without branches: which way to go cannot be foretold. */
static uint32_t find(const struct chances *chances, uint64_t ball)
{
    const uint64_t *at = chances->upto;

    for (uint32_t n = chances->n_hosts; n > 1; n -= n / 2)
        at += ball >= at[n / 2] ? n / 2 : 0;
    return (uint32_t)(at - chances->upto);
}

uint32_t chances_draw(const struct chances *chances, struct random *random)
{
    return find(chances, random_below(random, chances->upto[chances->n_hosts]));
}

uint32_t chances_draw_other(const struct chances *chances, struct random *random, uint32_t one)
{
    uint64_t weight = chances_weight(chances, one);
    uint64_t others = chances->upto[chances->n_hosts] - weight;

    assert(others > 0);
    uint64_t ball = random_below(random, others);
    return find(chances, ball < chances->upto[one] ? ball : ball + weight);
}

uint32_t chances_weight(const struct chances *chances, uint32_t at)
{
    return (uint32_t)(chances->upto[at + 1] - chances->upto[at]);
}

/* SPDX-License-Identifier: MIT */
/* Drawing among a group's usable hosts by lot, each with the chance its weight gives it. */
#ifndef BALANCE_CHANCES_H
#define BALANCE_CHANCES_H

#include "balance/group.h"

struct chances;

/* The chances of group->usable. NULL with errno ENOMEM. Free it with free(). */
struct chances *chances_new(const struct group *group);

/* Returns an index into group->usable. */
uint32_t chances_draw(const struct chances *chances, struct random *random);

/* Draws among all but one, by their weights; there must be others. */
uint32_t chances_draw_other(const struct chances *chances, struct random *random, uint32_t one);

/* The weight of group->usable[at], as it was. */
uint32_t chances_weight(const struct chances *chances, uint32_t at);

#endif

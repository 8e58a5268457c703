/* SPDX-License-Identifier: MIT */
/* The smooth weighted order of a group's usable hosts, the same in every worker. */
#ifndef BALANCE_ORDER_H
#define BALANCE_ORDER_H

#include <stdint.h>

#include "balance/group.h"

struct order;

/*
 * The order of group->usable at group->built_epoch.
 * before  the order that this worker used until now, or NULL; stays the caller's
 * NULL with errno ENOMEM.
 */
struct order *order_new(const struct group *group, const struct order *before);

/* NULL is allowed. */
void order_free(struct order *order);

/*
 * Takes the next position of the cycle all workers share. In one cycle each host comes as often
 * as its weight, divided by the greatest common divisor of all, says.
 * Returns an index into group->usable.
 */
uint32_t order_next(const struct order *order, const struct group *group);

/* Positions in a cycle. */
uint32_t order_length(const struct order *order);

#endif

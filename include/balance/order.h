/* SPDX-License-Identifier: MIT */
/* The smooth weighted order of a group's usable hosts, the same in every worker. */
#ifndef BALANCE_ORDER_H
#define BALANCE_ORDER_H

#include <stdint.h>

#include "balance/scheduler.h"

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
 * as its weight, divided by the greatest common divisor of all, says. The turn of a host that slow
 * start forbids to this request goes to another by lot, so that the share of each other grows alike.
 * Returns an index into group->usable.
 */
uint32_t order_next(const struct order *order, const struct group *group,
                    const struct pick_request *request);

/* Positions in a cycle. */
uint32_t order_length(const struct order *order);

/* Claims by turns, as scheduler.h asks of choose. */
int32_t order_claim(const struct order *order, const struct group *group,
                    const struct pick_request *request);

/*
 * As order_claim, for a scheduler to which a request tells nothing.
 * order  made when first needed, of the hosts that are usable then; NULL = not yet. The caller frees
 *        it and sets it to NULL when they change.
 */
int32_t order_claim_keyless(struct order **order, const struct group *group,
                            const struct pick_request *request);

#endif

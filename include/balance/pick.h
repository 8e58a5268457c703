/* SPDX-License-Identifier: MIT */
/* Who may be chosen, then the scheduler's choice. */
#ifndef BALANCE_PICK_H
#define BALANCE_PICK_H

#include "balance/scheduler.h"

enum pick_verdict {
    PICK_CHOSEN, /* a place at the host is claimed: give it back with pick_release */
    PICK_FULL,   /* usable hosts there are, but all untried ones are at max_connections */
    PICK_NONE    /* no usable host is left */
};

/*
 * Sets up pick state of a composed group (model, segment, rows, hosts, random are filled in). A keyed
 * scheduler's table is built at once. 0 or -1 with errno.
 */
int pick_init(struct group *group);
void pick_fini(struct group *group);

/*
 * Chooses a host.
 * index_out  index into group->hosts for PICK_CHOSEN
 * Hosts whose ejection has run out are readmitted first. Never blocks; ends in bounded steps.
 */
enum pick_verdict pick_host(struct group *group, const struct pick_request *request,
                            uint32_t *index_out);

/* Whether there is a usable host that the request has not tried, full or not. */
bool pick_has_any(struct group *group, const struct pick_request *request);

/*
 * Claims this very host, whatever the scheduler would say.
 * index  into group->hosts
 * PICK_NONE: it may not be chosen, or was tried before.
 */
enum pick_verdict pick_exactly(struct group *group, const struct pick_request *request,
                               uint32_t index);

/* Gives the claimed place back. */
void pick_release(struct group *group, uint32_t index);

#endif

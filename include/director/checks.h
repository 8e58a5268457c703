/* SPDX-License-Identifier: MIT */
/* When hosts are probed, and what is made of the results: rise, fall, the stretched interval. */
#ifndef DIRECTOR_CHECKS_H
#define DIRECTOR_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/bundle.h"
#include "share/bells.h"
#include "share/segment.h"

struct ev_loop;

/* One prober for all workers. What it has found out so far lies in the hosts' rows, so that a new director carries on. */
struct checks; /* opaque; owner: the director */

/* segment and bells outlive it. NULL with errno. */
struct checks *checks_new(struct ev_loop *loop, const struct segment *segment,
                          const struct bells *bells);
void checks_free(struct checks *checks);

/* Whether the checks that the model asks for can be made at all; adds what is wrong. Safe on any thread. */
bool checks_verify(const struct model *model, struct problems *problems);

/*
 * A configuration is committed: hosts that are in it are probed as it says, those that are not no more.
 * A host that stays keeps its results and its turn. model and rows live until the next call.
 * Returns 0, or -1 with errno ENOMEM (the old ones go on).
 */
int checks_apply(struct checks *checks, const struct model *model,
                 const struct bundle_rows *rows);

#endif

/* SPDX-License-Identifier: MIT */
/* Finds out what the names of hosts mean, and keeps finding out. */
#ifndef DIRECTOR_RESOLVE_H
#define DIRECTOR_RESOLVE_H

#include <stdint.h>

#include "conf/addresses.h"
#include "conf/model.h"

struct ev_loop;
struct resolver; /* opaque; owner: the director */

/* on_change: some name means something else now; addresses are what all names mean, and stay the resolver's. */
typedef void resolver_changed(void *context, const struct addresses *addresses);

/* NULL with errno ENOMEM. */
struct resolver *resolver_new(struct ev_loop *loop, resolver_changed *on_change, void *context);
void resolver_free(struct resolver *resolver);

/*
 * A configuration is being prepared: its names are asked for at once unless they are known, by its
 * servers, besides those of the settled one.
 * known      what it was built with; taken over where this resolver knows less (a new director)
 * on_ready   called once each name that was new has an answer, good or bad, or patience_ms have passed; maybe
 *            before this function returns; never after the next call of any of these. What was found until then is told by on_change before it
 * Returns 0, or -1 with errno ENOMEM (on_ready is not called).
 */
int resolver_apply(struct resolver *resolver, const struct model *model,
                   const struct addresses *known, uint64_t patience_ms,
                   void (*on_ready)(void *context), void *context);

/* The one prepared is off for now: on_ready is not called any more, its names stay. */
void resolver_wait_no_more(struct resolver *resolver);

/*
 * A configuration is committed, or the one prepared after it was given up: from now on only its names
 * are asked for, by its servers.
 */
void resolver_settle(struct resolver *resolver, const struct model *model);

#endif

/* SPDX-License-Identifier: MIT */
/* `pool`: connections to hosts that are kept open ahead of need. */
#ifndef RELAY_WARM_H
#define RELAY_WARM_H

#include "relay/conn.h"
#include "relay/generation.h"

/*
 * A warm socket belongs to no connection: it counts in no figure, no limit, no scheduler. It stays
 * in the loop, so that one which its host closes is noticed and replaced at once. The age at which a
 * host has closed one is remembered, and from then on sockets are replaced, and not handed out any
 * more, at half that age: so that a client's first bytes do not meet a host that closes just then.
 * What a host has said already (a greeting) stays in the socket for its client.
 */

/* Makes the worker's pools empty. most: sockets over all pools. */
void warm_init(struct relay *relay, int64_t most);
void warm_fini(struct relay *relay);

/* The generation is the current one from now on: its pools are filled. */
void warm_start(struct relay *relay, struct generation *generation);

/* It no longer is: its pools are closed. */
void warm_stop(struct relay *relay, struct generation *generation);

/* An open connection to c->target, the caller's; -1 when there is none to be had at once. */
int warm_take(struct conn *c);

/* At the end of a loop's turn: replaces what was taken or lost. */
void warm_refill(struct relay *relay);

#endif

/* SPDX-License-Identifier: MIT */
/* Which host a connection is to try next: the group, the stick table, the waiting line, then the scheduler. */
#ifndef RELAY_SEEK_H
#define RELAY_SEEK_H

#include "relay/conn.h"

enum seek_verdict {
    SEEK_CHOSEN, /* c->way and c->target are set, a place there is claimed */
    SEEK_WAIT,   /* hosts there are, but others wait for them, or all are at max_connections */
    SEEK_HOLD,   /* no host can be used now, and the service lets clients wait for one */
    SEEK_NONE    /* no host is left */
};

/*
 * Looks at the service's enabled group first, then with `failover` at its other groups in their
 * order, until one has a usable host that was not tried. Who waits in a group's line goes before who
 * comes new. c->way is left at the group in whose line to wait.
 */
enum seek_verdict seek_host(struct conn *c);

/* The connection to c->target is established: the client comes back to it, where the group is sticky. */
void seek_learn(const struct conn *c);

/* Tells the log, not too often, that no host of its way's group is usable. */
void seek_tell_none(const struct conn *c);

#endif

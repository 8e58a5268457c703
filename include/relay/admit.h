/* SPDX-License-Identifier: MIT */
/* Makes the connection of an accepted socket. */
#ifndef RELAY_ADMIT_H
#define RELAY_ADMIT_H

#include "relay/conn.h"

/* A connection that accept(2) gave. */
struct life_arrival {
    int fd; /* non-blocking; taken over */
    const struct addr *client;
    struct generation *generation; /* a reference of its own is taken */
    struct service *service;
};

typedef void half_ready(struct ev_loop *loop, struct ev_io *watch, int revents);

/*
 * A connection in the lists, tables and counters of its worker, watched for nothing yet.
 * on_ready  the callback of both halves
 * Returns NULL when memory or rows have run out; the descriptor then stays the caller's.
 */
struct conn *admit_new(struct relay *relay, const struct life_arrival *arrival,
                       half_ready *on_ready);

#endif

/* SPDX-License-Identifier: MIT */
/* Makes the connection of an accepted socket. */
#ifndef RELAY_ADMIT_H
#define RELAY_ADMIT_H

#include "relay/conn.h"

/* A connection that accept(2) gave; one of the service's places is claimed for it (service_claim). */
struct life_arrival {
    int fd; /* non-blocking; taken over */
    const struct addr *client;
    struct generation *generation; /* a reference of its own is taken */
    struct service *service;
    const struct entrance *entrance; /* of the service */
};

typedef void half_ready(struct ev_loop *loop, struct ev_io *watch, int revents);

/*
 * A connection in the lists, tables and counters of its worker, watched for nothing yet.
 * on_ready  the callback of both halves
 * Returns NULL when memory or rows have run out; the descriptor then stays the caller's.
 */
struct conn *admit_new(struct relay *relay, const struct life_arrival *arrival,
                       half_ready *on_ready);

/* Its row of the live table. */
struct live_row *admit_row(const struct conn *c);

/*
 * Another address is the client's from now on: a PROXY header named it. One that is no IP address
 * changes nothing.
 */
void admit_rename_client(const struct conn *c, const struct addr *client);

/* The client's address: as accept(2) gave it, or as a PROXY header has named it. */
void admit_read_client(const struct conn *c, struct addr *out);

/*
 * Whether the service lets this client in; counts the connection for its source.
 * Returns OUTCOME_OPEN, or what the connection is to end with: OUTCOME_DENIED, OUTCOME_LIMITED.
 */
enum outcome admit_enter(struct conn *c, const struct addr *client);

/* The connection has ended: its source and its service count it no more. */
void admit_leave(struct conn *c);

/* Gives back a place of a service, also one that no connection came to use; who found the service full may accept again. */
void admit_leave_service(const struct relay *relay, const struct service *service);

#endif

/* SPDX-License-Identifier: MIT */
/* The life of a connection: its phases, its one way out. */
#ifndef RELAY_LIFE_H
#define RELAY_LIFE_H

#include "relay/admit.h"
#include "relay/conn.h"

/* Begins a connection: reads what is there, chooses a host, connects. It may be over on return. */
void life_start(struct relay *relay, const struct life_arrival *arrival);

/*
 * Ends the connection: takes it out of everything at once, closes both sockets (with a
 * reset where the other side must not take the end for a clean one), counts and logs it. The
 * memory is given back by life_bury, so that callers may still look at it. Idempotent.
 */
void life_end(struct conn *c, enum outcome outcome);

/*
 * Rows have changed: serves who waits as far as there are places now, ends connections whose host is
 * to have none any more. Called at a bell, and some ten times a second for what no bell tells.
 */
void life_look_again(struct relay *relay);

/* relay.on_shaken: another thread is through with a step of its handshake. */
void life_shaken(struct conn *c);

/* Ends every open connection. */
void life_end_all(struct relay *relay, enum outcome outcome);

/* At the end of a loop's turn: gives the memory of ended connections back. */
void life_bury(struct relay *relay);

/* For deadline_advance: looks at a connection that came round. */
uint64_t life_look(struct deadline *deadline, uint64_t now_ns);

#endif

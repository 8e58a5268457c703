/* SPDX-License-Identifier: MIT */
/* Connections that wait for a place at a host of their group, first in, first out over all workers. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include "relay/conn.h"

/*
 * Each worker keeps its own part of a group's line; tickets (share/groups) tell across all of them
 * who came first.
 */

/* Makes the lines empty. */
void queue_init(struct relay *relay);

/* Puts the connection at the end of the line of its way's group; one that waits there already keeps its place. */
void queue_join(struct conn *c);

/* Takes it out of the line; one that waits nowhere stays as it is. */
void queue_leave(struct conn *c);

/* The connection that has waited longest in this worker's part of a group's line, or NULL. */
struct conn *queue_first(struct relay *relay, uint32_t group);

/* Who is next in the group's line: this worker's first, nobody, or somebody in the slot told. */
enum queue_next { QUEUE_NOBODY, QUEUE_OURS, QUEUE_THEIRS };
enum queue_next queue_next(const struct relay *relay, uint32_t group, uint32_t *slot_out);

/*
 * A place came free in the group: gives it to who waits, for as long as they are this worker's; then
 * whoever is next is told to look.
 * go_on  goes on with a connection that may have a place; it may end it
 * One that ends at once gives its place back here again: the outer call serves the line.
 */
void queue_serve(struct relay *relay, uint32_t group, void (*go_on)(struct conn *c));

/* The same for all groups in whose line somebody waits here. */
void queue_serve_all(struct relay *relay, void (*go_on)(struct conn *c));

/* How long it may wait: for a place at a host, or for any host to come back. 0: not at all. */
int64_t queue_limit_ms(const struct conn *c);

/*
 * When the wheel is to look at a waiting connection. Who waits is told when a place comes free; a
 * look at each tick is for what nobody tells, as ports of our own.
 */
uint64_t queue_due(const struct conn *c);

#endif

/* SPDX-License-Identifier: MIT */
/* Connections that wait for a place at a host of their group, first in, first out. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include "relay/conn.h"

/* Puts the connection at the end of its group's line; one that waits already keeps its place. */
void queue_join(struct conn *c);

/* Takes it out of the line; one that waits nowhere stays as it is. */
void queue_leave(struct conn *c);

/* The connection that has waited longest in the line of this one's group, or NULL. */
struct conn *queue_first(const struct conn *c);

#endif

/* SPDX-License-Identifier: MIT */
/* Finds open connections whose host is to have none any more: down with `on_down = close`, or draining over a time. */
#ifndef RELAY_SWEEP_H
#define RELAY_SWEEP_H

#include "relay/conn.h"

/* True when rows have changed since the last sweep, or hosts are being drained bit by bit. */
bool sweep_is_due(const struct relay *relay);

/*
 * Walks all open connections.
 * end  called for each that is to end, with its outcome: HOST_RESET where the host is down,
 *      KILLED where it drains. The ends of a draining host's connections are spread evenly over the time.
 */
void sweep(struct relay *relay, void (*end)(struct conn *c, enum outcome outcome));

#endif

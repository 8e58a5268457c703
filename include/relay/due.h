/* SPDX-License-Identifier: MIT */
/* When a connection must have gone on, by the phase that it is in. */
#ifndef RELAY_DUE_H
#define RELAY_DUE_H

#include "relay/conn.h"

/* All in monotonic nanoseconds. Those of the opening, the queue, and a client without a host stand in relay/opening, queue, early. */
uint64_t due_connect(const struct conn *c);
uint64_t due_relay_limit(const struct conn *c); /* when it ends */
uint64_t due_relay(const struct conn *c); /* the same, or when the access log gets a line */
uint64_t due_closing(const struct conn *c);
uint64_t due_sorry(const struct conn *c);

#endif

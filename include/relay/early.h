/* SPDX-License-Identifier: MIT */
/* What the client of a connection does while there is no host for it yet. */
#ifndef RELAY_EARLY_H
#define RELAY_EARLY_H

#include "relay/conn.h"
#include "relay/refusal.h"

enum early_verdict { EARLY_GOING, EARLY_RESET, EARLY_NO_MEMORY };

/*
 * Most clients speak first, and have: reads what is there right after accept(2), so that it goes out
 * with the connect. It lies in relay.scratch.
 * length_out  bytes read; may be 0
 * Returns EARLY_GOING or EARLY_RESET.
 */
enum early_verdict early_take(struct conn *c, size_t *length_out);

/* Reads what the client sends; it waits in client.wait until a host takes it. */
enum early_verdict early_read(struct conn *c);

/* The same in an opening: OPENING_DONE when nothing speaks against going on, OPENING_LEFT or OPENING_LIMITED. */
enum opening_verdict early_hear(struct conn *c);

/* Keeps bytes that the client has sent until a host takes them; false when memory is out. */
bool early_keep(struct conn *c, const void *bytes, size_t length);

/* Watches the client for as long as there is room for what it sends. */
void early_watch(struct conn *c);

/*
 * True when the client is taken to have gone. A FIN before any byte is either from a client
 * that only listens, or from one that has closed: no call tells which. Where the host answers at once
 * it does not matter; where it does not for some 30 ms, the client counts as gone.
 */
bool early_has_left(const struct conn *c);

/* When limit_ms after entering the phase is reached, or the client counts as gone, whichever is first. */
uint64_t early_due(const struct conn *c, int64_t limit_ms);

#endif

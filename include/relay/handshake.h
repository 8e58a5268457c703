/* SPDX-License-Identifier: MIT */
/* PHASE_HANDSHAKE: TLS with a client that comes in where it is spoken. */
#ifndef RELAY_HANDSHAKE_H
#define RELAY_HANDSHAKE_H

#include "relay/refusal.h"

/*
 * Called when the client can be read or written. OPENING_MORE also while another thread is at it: relay.on_shaken tells
 * when it is through. OPENING_DONE: the client's end is TLS, what it asked for is in sni, the first route that fits has
 * its way; first bytes may be in client.wait.
 */
enum opening_verdict handshake_step(struct conn *c);

/* After on_shaken: what has become of it, as handshake_step. */
enum opening_verdict handshake_take(struct conn *c);

/* The client has entered by it: counts it. */
void handshake_count(const struct conn *c);

/* The connection ends: gives the handshake up. Who left before it was his turn is counted. */
void handshake_drop(struct conn *c);

#endif

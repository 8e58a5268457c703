/* SPDX-License-Identifier: MIT */
/* TLS handshakes with clients: the loop moves bytes, other threads do the rest. */
#ifndef RELAY_HANDSHAKE_H
#define RELAY_HANDSHAKE_H

#include "relay/opening.h"

struct shake; /* opaque; owner: the connection, or the job while that is under way */

/* More may not be queued: whoever comes then waits too long to be served at all. */
enum { SHAKES_MOST = 1024 };

/*
 * PHASE_HANDSHAKE, called when the client can be read or written: goes on as far as it can. What has been read already
 * and lies in client.wait comes first. OPENING_MORE also while another thread is at it: relay.on_shaken tells when it is
 * through. OPENING_DONE: the client's end is TLS, and what it asked for is in sni; the first bytes may be in client.wait.
 */
enum opening_verdict handshake_step(struct conn *c);

/* After on_shaken: what has become of it, as handshake_step. */
enum opening_verdict handshake_take(struct conn *c);

/*
 * Makes the thread, where the generation has TLS and there is none yet: descriptors are best taken before there are many.
 * When it cannot be had now, the first handshake tries again.
 */
void handshake_prepare(struct relay *relay, const struct generation *generation);

/* What the client is watched for meanwhile. */
int handshake_interest(const struct conn *c);

/* The connection ends. A job that has not begun is not done any more, and counted. */
void handshake_drop(struct conn *c);

/* The worker ends: waits for the jobs under way. Every connection has ended before. */
void handshake_fini(struct relay *relay);

#endif

/* SPDX-License-Identifier: MIT */
/* A TLS handshake at one end of a connection: the loop moves its bytes, another thread does what takes long. */
#ifndef RELAY_SHAKE_H
#define RELAY_SHAKE_H

#include "relay/conn.h"
#include "tls/stream.h"

struct shake; /* opaque; owner: the connection, or the job while that is under way */

/* More may not be queued: whoever comes then would wait too long to be served at all. */
enum { SHAKES_MOST = 1024 };

enum shake_verdict {
    SHAKE_MORE, /* the other side has more to say, or another thread is at it: relay.on_shaken tells when it is through */
    SHAKE_DONE, /* the half is TLS */
    SHAKE_FAILED,  /* see shake_reason */
    SHAKE_RESET,   /* errno: the socket failed */
    SHAKE_LEFT,    /* the other side has sent its FIN without a word */
    SHAKE_REFUSED, /* too many wait, or memory is out */
};

/*
 * Begins one; the connection has none under way.
 * half    whose socket it goes over; what waits there was read already and comes first
 * stream  taken over; NULL: memory was out
 * begins  ours is the first word
 * Returns 0, or -1 with errno ENOMEM.
 */
int shake_begin(struct conn *c, struct half *half, struct tls_stream *stream, bool begins);

/* Called when the half can be read or written: goes on as far as it can. */
enum shake_verdict shake_step(struct conn *c);

/* After on_shaken: what has become of it, as shake_step. */
enum shake_verdict shake_take(struct conn *c);

/* After SHAKE_FAILED: why, in words for people; until shake_drop. */
const char *shake_reason(const struct conn *c);

/* After SHAKE_FAILED: whether a list of revoked certificates is what speaks against the other side, and about whom; blamed: NULL when it is not known, until shake_drop. */
enum tls_blame shake_blame(const struct conn *c, const char **blamed);

/* What the half is watched for meanwhile. */
int shake_interest(const struct conn *c);

/* Ends it at any time. True when the other side has left before its turn: then what takes long is not done any more. */
bool shake_drop(struct conn *c);

/*
 * Makes the thread, where the generation has TLS and there is none yet: descriptors are best taken before there are many.
 * When it cannot be had now, the first handshake tries again.
 */
void shake_prepare(struct relay *relay, const struct generation *generation);

/* The worker ends: waits for the jobs under way. Every connection has ended before. */
void shake_fini(struct relay *relay);

#endif

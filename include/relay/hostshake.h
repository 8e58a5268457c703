/* SPDX-License-Identifier: MIT */
/* TLS with a host that was just connected to. */
#ifndef RELAY_HOSTSHAKE_H
#define RELAY_HOSTSHAKE_H

#include "relay/conn.h"

/* Whether the host that is being connected to is spoken TLS with. */
bool hostshake_is_wanted(const struct conn *c);

enum hostshake_verdict {
    HOSTSHAKE_MORE,  /* host.watch is set; relay.on_shaken may tell that it goes on */
    HOSTSHAKE_DONE,  /* the host's end is TLS */
    HOSTSHAKE_FAILED /* reason is filled; "" = there was no room for it here: errno */
};
#define HOSTSHAKE_REASON_BYTES 160

/* The socket is open and what goes before TLS was sent: begins. */
enum hostshake_verdict hostshake_begin(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES]);

/* Goes on when the socket says something. */
enum hostshake_verdict hostshake_step(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES]);

/* After on_shaken. */
enum hostshake_verdict hostshake_take(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES]);

/* Remembers, for the next connection to this host, the session that it gave; before its end is closed. */
void hostshake_learn(struct conn *c);

#endif

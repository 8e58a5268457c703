/* SPDX-License-Identifier: MIT */
/* Which group a client is led to by the routes of its service. */
#ifndef RELAY_SIGNPOST_H
#define RELAY_SIGNPOST_H

#include "relay/conn.h"
#include "tls/hello.h"

struct tls_facts;

/*
 * The first route that fits has the connection's way; where none does it keeps the one it has.
 * hello  what a TLS client has asked for; NULL: it is not known, the source alone decides
 */
void signpost_point(struct conn *c, const struct hello *hello);

/* The same, and keeps the name in sni. False when memory is out. */
bool signpost_follow(struct conn *c, const struct hello *hello);

/* The same by what a handshake has agreed on. */
bool signpost_follow_facts(struct conn *c, const struct tls_facts *facts);

#endif

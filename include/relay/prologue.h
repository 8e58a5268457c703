/* SPDX-License-Identifier: MIT */
/* What a host is told before the client's first byte: a PROXY header, where its group wants one. */
#ifndef RELAY_PROLOGUE_H
#define RELAY_PROLOGUE_H

#include "net/proxyproto.h"
#include "relay/conn.h"

/* Room for any: what was received, the connection's id, a checksum. */
#define PROLOGUE_MOST_BYTES (PROXYPROTO_MOST_BYTES + 512)

/* Whether the group of its way wants one. */
bool prologue_is_wanted(const struct conn *c);

/*
 * The header for the host of c->target: who the client is and what it had connected to; what a received header told goes
 * on with it.
 * Returns its length; 0: none is wanted.
 */
size_t prologue_write(const struct conn *c, unsigned char out[PROLOGUE_MOST_BYTES]);

#endif

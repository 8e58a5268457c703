/* SPDX-License-Identifier: MIT */
/* What a client goes through between accept(2) and the choice of a host. */
#ifndef RELAY_OPENING_H
#define RELAY_OPENING_H

#include "relay/conn.h"
#include "relay/refusal.h"

/* What a PROXY header told that is to be passed on. Owner: the connection. */
struct proxied {
    struct addr source, target; /* AF_UNSPEC: unknown */
    size_t n_tlv_bytes;
    unsigned char tlvs[]; /* as they came */
};

/* Whether it has a TLV of this type. */
bool proxied_has(const struct proxied *proxied, uint8_t type);

/*
 * Whether the client may begin at its entrance: where headers are accepted, only a proxy that is
 * trusted to send them.
 * client  its address, as accept(2) gave it
 */
bool opening_may_begin(const struct conn *c, const struct addr *client);

/* The first of the phases that its entrance asks for; PHASE_QUEUE: none, a host can be sought. */
enum phase opening_first(const struct conn *c);

/* The one behind a phase that is over. */
enum phase opening_next(const struct conn *c, enum phase over);

/*
 * Goes on with the phase that the connection is in.
 * PHASE_PROXY: reads the header (net/proxyproto), to the byte; the client has the address that it names, and enters as
 * that. The header counts in no figure of bytes.
 * PHASE_STARTTLS: see relay/negotiate. PHASE_HANDSHAKE: see relay/handshake. PHASE_OCSP: see relay/ocsp.
 * PHASE_HELLO: reads until what a TLS client says first is whole, or it is none; all of it stays in client.wait, and counts
 * as the client's. What it names is kept in sni; then the first route that fits has its way.
 */
enum opening_verdict opening_step(struct conn *c);

/* Watches the client for what goes on with the phase, after OPENING_MORE. */
void opening_watch(struct conn *c);

/* When the phase must be over, whatever comes until then. */
uint64_t opening_due(const struct conn *c);

/* It was not in time: OPENING_REFUSED, told to the log; or OPENING_DONE where that does not matter. */
enum opening_verdict opening_late(struct conn *c);

/* Forgets what a header or a look ahead has told. */
void opening_forget(struct conn *c);

#endif

/* SPDX-License-Identifier: MIT */
/* Sessions by id, for clients of TLS 1.2 that take no tickets: every worker knows them. */
#ifndef TLS_RECALL_H
#define TLS_RECALL_H

#include "share/remembered.h"
#include "share/tickets.h"

struct ssl_ctx_st;

/* Where sessions are, and the keys that they are sealed with. Both outlive the context. */
struct recall {
    struct remembered *table;
    const struct tickets *tickets;
};

/*
 * Sessions of this context are remembered, sealed with a key that is derived from that of tickets: they live no longer
 * than tickets do, and what the segment holds opens nothing once the key is gone.
 * recall  outlives the last handshake under the context
 * Returns 0, or -1 when OpenSSL lacks what is needed. Source: RFC 5246, section 7.3; AES-256-GCM.
 */
int recall_install(struct ssl_ctx_st *context, const struct recall *recall);

#endif

/* SPDX-License-Identifier: MIT */
/* Seals and opens session tickets with the keys that all workers share. */
#ifndef TLS_SEALING_H
#define TLS_SEALING_H

#include "share/tickets.h"

struct ssl_ctx_st;

/*
 * Sessions of this context are resumed by tickets.
 * tickets  outlives the context
 * Returns 0, or -1 when OpenSSL lacks what is needed. Source: RFC 5077, section 4, with AES-256-CBC and HMAC-SHA-256.
 */
int sealing_install(struct ssl_ctx_st *context, const struct tickets *tickets);

#endif

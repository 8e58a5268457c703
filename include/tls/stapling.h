/* SPDX-License-Identifier: MIT */
/* Sends OCSP responders' words on the certificates that a service shows with them. */
#ifndef TLS_STAPLING_H
#define TLS_STAPLING_H

#include <stddef.h>
#include <stdint.h>

struct ssl_ctx_st;

/* What a responder has said of a certificate, as staple_check took it. */
struct tls_staple {
    const unsigned char *chain; /* PEM */
    size_t chain_length;
    const unsigned char *bytes; /* DER */
    size_t length;              /* 0 = nothing yet */
};

/* Made once, then read by many threads at a time. Owner: who made it. */
struct stapling; /* opaque */

/*
 * Connections of this context get the staple of the certificate that they show, unless it is too old by then. What is not
 * good now is left out. It must outlive handshakes of the context.
 * NULL when memory is out.
 */
struct stapling *stapling_install(struct ssl_ctx_st *context, const struct tls_staple *staples,
                                  size_t n);
void stapling_free(struct stapling *stapling);

#endif

/* SPDX-License-Identifier: MIT */
/* Asks lists of revoked certificates about those that clients show. */
#ifndef TLS_REVOCATION_H
#define TLS_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share/wishes.h"
#include "tls/client.h"

struct ssl_ctx_st;
struct ssl_st;

struct tls_list {
    const unsigned char *bytes; /* as crl_read takes it */
    size_t length;              /* 0 = it was not fetched yet */
    bool is_fetched;            /* one that is broken is passed over */
};

struct revocation_plan {
    bool is_asked; /* else nobody asks lists at all */
    bool
        is_lenient; /* a certificate that no fresh list covers is let in, unless a list names it */
    const struct tls_list *lists;
    size_t n_lists;
    const unsigned char *ca; /* PEM: certificates that are trusted themselves need no list */
    size_t ca_length;
    struct wishes
        *wishes; /* where the URLs go that certificates without a list name; NULL: nowhere */
};

/* Made once, then read by many threads at a time. Owner: who made it. */
struct revocation; /* opaque */

/*
 * Clients' certificates of this context, whose verification was set up, are looked up in the lists. While one of
 * these is too old (and that matters), no session is resumed, so that the full handshake decides. It must outlive
 * handshakes of the context.
 * which   out, on failure: the list that is to blame, n_lists: none of them
 * reason  out, on failure
 */
struct revocation *revocation_install(struct ssl_ctx_st *context,
                                      const struct revocation_plan *plan, size_t *which,
                                      char reason[TLS_REASON_BYTES]);
void revocation_free(struct revocation *revocation);

/* Whether sessions may be resumed under the context now: no list of it is too old, or that does not matter, or it has none. */
bool revocation_lets_resume(const struct ssl_ctx_st *context);

/* When the first of the lists is to be renewed, in seconds since 1970. */
int64_t revocation_renews(const struct revocation *revocation);

/* What a verdict of OpenSSL's verification means here. */
enum tls_blame { TLS_BLAME_OTHER, TLS_BLAME_REVOKED, TLS_BLAME_STALE };
enum tls_blame revocation_blame(long verdict);

/* The subject, on one line, of the certificate that a list has spoken against; NULL: none has. Lives as long as the connection. */
const char *revocation_subject(const struct ssl_st *ssl);

#endif

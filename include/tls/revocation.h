/* SPDX-License-Identifier: MIT */
/* Whether certificates that clients show were revoked: by lists, and by what OCSP responders have said. */
#ifndef TLS_REVOCATION_H
#define TLS_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share/standing.h"
#include "share/wishes.h"
#include "tls/client.h"
#include "tls/query.h"

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
    const char *
        responder; /* NULL: no OCSP responder is asked; else its URL, "" = that which certificates name */
    const struct standing_row *standings; /* what responders have said */
};

/* Made once, then read by many threads at a time. Owner: who made it. */
struct revocation; /* opaque */

/*
 * Clients' certificates of this context, whose verification was set up, are looked up in the lists. While one of
 * these is too old (and that matters), no session is resumed, so that the full handshake decides. Whom a responder has
 * called revoked is refused, too; what it is still to be asked about is for the caller, see revocation_queries: who resumes
 * a session shows no chain, so that is only for those whose issuer is of ca. It must outlive handshakes of the context.
 * which   out, on failure: the list that is to blame, n_lists: none of them
 * reason  out, on failure
 */
struct revocation *revocation_install(struct ssl_ctx_st *context,
                                      const struct revocation_plan *plan, size_t *which,
                                      char reason[TLS_REASON_BYTES]);
void revocation_free(struct revocation *revocation);

/*
 * Whether the session may be resumed under the context now: no list of it is too old, or that does not matter, or it has
 * none; and where responders are asked, what they would be asked is known, and none has called its certificate revoked.
 */
struct ssl_session_st;
bool revocation_lets_resume(const struct ssl_ctx_st *context,
                            const struct ssl_session_st *session);

/*
 * What responders are to be asked, or were, about the client of a handshake that is over, before it may enter.
 * Returns how many queries; -1 when OpenSSL fails.
 */
int revocation_queries(const struct ssl_st *ssl, struct query out[QUERIES_MOST]);

/* When the first of the lists is to be renewed, in seconds since 1970. */
int64_t revocation_renews(const struct revocation *revocation);

/* What a client was refused for; UNANSWERED: an OCSP responder has not said that its certificate is good. */
enum tls_blame { TLS_BLAME_OTHER, TLS_BLAME_REVOKED, TLS_BLAME_STALE, TLS_BLAME_UNANSWERED };

/* What a verdict of OpenSSL's verification means here. */
enum tls_blame revocation_blame(long verdict);

/* The subject, on one line, of the certificate that a list or a responder has spoken against; NULL: none has. Lives as long as the connection. */
const char *revocation_subject(const struct ssl_st *ssl);

#endif

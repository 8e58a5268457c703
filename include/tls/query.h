/* SPDX-License-Identifier: MIT */
/* What OCSP responders are to be asked about a client's certificates. */
#ifndef TLS_QUERY_H
#define TLS_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "share/standing.h"

struct stack_st_X509;
struct x509_st;

/* No chain is longer: `client_depth` is at most 16. */
enum { QUERIES_MOST = 17 };

/* Owner: whoever has the certificates, which live in their chains. */
struct query {
    struct x509_st *certificate, *issuer;
    unsigned char key[STANDING_KEY_BYTES]; /* under which what is said stands */
};

/* Whom to ask, and about whom not. */
struct query_terms {
    const struct stack_st_X509 *trusted; /* of itself: nobody is asked about these */
    const char *url; /* of the responder; "" = that which a certificate names */
};

/* By name and by signature: names alone do not tell an authority from one that had its name before. */
bool query_is_issuer(struct x509_st *issuer, struct x509_st *certificate);

bool query_is_trusted(const struct stack_st_X509 *trusted, const struct x509_st *certificate);

/*
 * What is to be asked about a chain that was verified, the client's own certificate first.
 * Returns how many queries, -1 when OpenSSL fails.
 */
int query_chain(const struct query_terms *terms, const struct stack_st_X509 *chain,
                struct query out[QUERIES_MOST]);

/*
 * The same for a certificate of which the chain is not known any more: its issuer must be trusted itself.
 * Returns 0 or 1; -1 when its issuer is not, or OpenSSL fails.
 */
int query_alone(const struct query_terms *terms, struct x509_st *certificate,
                struct query *out);

/* Adds certificate and issuer in PEM, as query_read takes them. False when OpenSSL or memory fails. */
bool query_print(const struct query *query, struct text *out);

/*
 * The key of what query_print has written.
 * url  as in terms
 * False when there are not two certificates.
 */
bool query_read(const char *url, const void *bytes, size_t length,
                unsigned char key[STANDING_KEY_BYTES]);

#endif

/* SPDX-License-Identifier: MIT */
/* A certificate and its private key, from their texts. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/client.h"

struct evp_pkey_st;
struct stack_st_X509;
struct x509_st;

/* Both in PEM; what else stands in the texts is passed over. */
struct tls_pair {
    const unsigned char *chain, *key;
    size_t chain_length, key_length;
};

/* What was read. Owner: who had it read. */
struct tls_shown {
    struct x509_st *certificate;
    struct stack_st_X509 *chain; /* what stands behind it, each the issuer of the one before */
    struct evp_pkey_st *key;
    int64_t expires_s; /* when the first of all these ends, in seconds since 1970 */
};

/*
 * reason  out, on failure: what is wrong with them
 * Returns false when nobody could make use of them. That they have expired is no failure.
 */
bool tls_pair_load(const struct tls_pair *pair, struct tls_shown *out,
                   char reason[TLS_REASON_BYTES]);
/*
 * When the first of the certificates in a text in PEM ends, in seconds since 1970. What else stands there is passed over.
 * False when there is none, or one is broken.
 */
bool tls_pair_expiry(const unsigned char *chain, size_t length, int64_t *expires_s);

void tls_shown_fini(struct tls_shown *shown);

/*
 * The same, of which only the verdict is kept.
 * is_expired  out: the certificate's time is over; it can be shown all the same
 */
bool tls_pair_check(const struct tls_pair *pair, bool *is_expired,
                    char reason[TLS_REASON_BYTES]);

#endif

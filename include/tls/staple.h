/* SPDX-License-Identifier: MIT */
/* An OCSP responder's word on a certificate: how it is asked for, whether it is good. */
#ifndef TLS_STAPLE_H
#define TLS_STAPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/client.h"
#include "tls/fetch.h"

/* What to ask whom. Owner: who had it made. */
struct staple_query {
    char *url;            /* owned: of the responder */
    unsigned char *bytes; /* owned: the request in DER */
    size_t length;
};

/*
 * chain   the certificate and behind it its issuer's, in PEM; what else stands there is passed over
 * url     of the responder; "" = that which the certificate names
 * reason  out, on failure: it names no responder, or the issuer is missing
 */
bool staple_ask(const unsigned char *chain, size_t chain_length, const char *url,
                struct staple_query *out, char reason[TLS_REASON_BYTES]);
void staple_query_fini(struct staple_query *query);

/* Asks the responder; blocks, as fetch_run. */
bool staple_fetch(const struct staple_query *query, size_t most_bytes, int most_s,
                  struct fetch_answer *out, char reason[TLS_REASON_BYTES]);

/* In seconds since 1970. */
struct staple_facts {
    int64_t made_s;
    int64_t renews_s; /* INT64_MAX: it does not say */
    bool
        is_revoked; /* of staple_check: by the word of whom may say so, also when that is too old */
};

/*
 * Whether the answer says, signed by the issuer or whom that has named for it, that the certificate is good, now.
 * now_s   since 1970
 * reason  out, on failure
 */
bool staple_check(const unsigned char *chain, size_t chain_length, const unsigned char *bytes,
                  size_t length, int64_t now_s, struct staple_facts *out,
                  char reason[TLS_REASON_BYTES]);

/* What one says of its times, whatever it is worth. False when it is none. */
bool staple_look(const unsigned char *bytes, size_t length, struct staple_facts *out);

#endif

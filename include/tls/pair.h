/* SPDX-License-Identifier: MIT */
/* Whether a certificate and a private key can be shown to clients. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/client.h"

/* Both in PEM; what else stands in the texts is passed over. */
struct tls_pair {
    const unsigned char *chain, *key;
    size_t chain_length, key_length;
};

/*
 * is_expired  out: the certificate's time is over; it can be shown all the same
 * reason      out, on failure: what is wrong with them
 * Returns false when nobody could make use of them.
 */
bool tls_pair_check(const struct tls_pair *pair, bool *is_expired,
                    char reason[TLS_REASON_BYTES]);

#endif

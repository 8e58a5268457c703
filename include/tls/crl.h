/* SPDX-License-Identifier: MIT */
/* Lists of revoked certificates: whether one is good, when it must be renewed, where others are to be had. */
#ifndef TLS_CRL_H
#define TLS_CRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/client.h"

struct stack_st_X509_CRL;
struct x509_st;

/* In seconds since 1970. */
struct crl_facts {
    int64_t made_s; /* the latest of its lists */
    int64_t
        renews_s; /* when the first of its lists is to be replaced (nextUpdate); INT64_MAX: it does not say */
};

/*
 * All lists of a file: one in DER, or any number in PEM. A list without a time to be renewed is refused: nobody could tell
 * when it is too old.
 * reason  out, on failure
 * NULL when there is none, or one is broken; else the caller's (crl_free).
 */
struct stack_st_X509_CRL *crl_read(const unsigned char *bytes, size_t length,
                                   char reason[TLS_REASON_BYTES]);
void crl_free(struct stack_st_X509_CRL *lists);

void crl_look(const struct stack_st_X509_CRL *lists, struct crl_facts *out);

/*
 * As crl_read, and whether what was fetched may be used: each list is signed by one of the certificates in PEM, in force
 * now, and no older than what is there.
 * before, before_length  what is there; 0 = nothing
 * now_s                  since 1970
 */
bool crl_check(const unsigned char *bytes, size_t length, const unsigned char *ca,
               size_t ca_length, const unsigned char *before, size_t before_length,
               int64_t now_s, struct crl_facts *out, char reason[TLS_REASON_BYTES]);

/* Called with each http:// URL that the certificate names for its list. */
typedef void crl_tell(void *context, const char *url);
void crl_find_points(const struct x509_st *certificate, crl_tell *tell, void *context);

#endif

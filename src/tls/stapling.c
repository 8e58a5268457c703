/* SPDX-License-Identifier: MIT */
/* Sends OCSP responders' words on the certificates that a service shows with them. */
#include "tls/stapling.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "tls/pem.h"
#include "tls/staple.h"

enum { DIGEST_BYTES = 32 };

struct kept {
    unsigned char digest[DIGEST_BYTES]; /* of the certificate */
    unsigned char *bytes;               /* owned */
    size_t length;
    int64_t renews_s;
};

struct stapling {
    struct kept *kept; /* ascending by digest */
    size_t n;
};

static bool digest_of(const X509 *certificate, unsigned char digest[DIGEST_BYTES])
{
    unsigned length = 0;
    return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 &&
           length == DIGEST_BYTES;
}

static int compare(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    return memcmp(left->digest, right->digest, DIGEST_BYTES);
}

/* Called once a handshake, where the client asks for a staple. */
static int on_status(SSL *ssl, void *argument)
{
    const struct stapling *stapling = argument;
    struct kept wanted = {.bytes = NULL};
    const X509 *certificate = SSL_get_certificate(ssl);
    const struct kept *found = NULL;
    if (certificate != NULL && digest_of(certificate, wanted.digest))
        found = bsearch(&wanted, stapling->kept, stapling->n, sizeof wanted, compare);
    if (found == NULL || found->renews_s <= (int64_t)time(NULL))
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(found->bytes, found->length);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)found->length); /* takes it over */
    return SSL_TLSEXT_ERR_OK;
}

/* False when memory is out; one that is not good is passed over. */
static bool add(struct stapling *stapling, const struct tls_staple *staple)
{
    char unused[TLS_REASON_BYTES];
    struct staple_facts facts;
    if (staple->length == 0 ||
        !staple_check(staple->chain, staple->chain_length, staple->bytes, staple->length,
                      (int64_t)time(NULL), &facts, unused))
        return true;
    struct kept *kept = &stapling->kept[stapling->n];
    STACK_OF(X509) *chain = pem_certificates(staple->chain, staple->chain_length);
    bool is_digested = chain != NULL && digest_of(sk_X509_value(chain, 0), kept->digest);
    sk_X509_pop_free(chain, X509_free);
    kept->bytes = malloc(staple->length);
    if (!is_digested || kept->bytes == NULL) {
        free(kept->bytes);
        return false;
    }
    memcpy(kept->bytes, staple->bytes, staple->length);
    kept->length = staple->length;
    kept->renews_s = facts.renews_s;
    stapling->n++;
    return true;
}

struct stapling *stapling_install(SSL_CTX *context, const struct tls_staple *staples, size_t n)
{
    struct stapling *stapling = calloc(1, sizeof *stapling);
    bool is_made = stapling != NULL;
    if (is_made) {
        stapling->kept = calloc(n + 1, sizeof *stapling->kept);
        is_made = stapling->kept != NULL;
    }
    for (size_t i = 0; is_made && i < n; i++)
        is_made = add(stapling, &staples[i]);
    if (!is_made) {
        stapling_free(stapling);
        return NULL;
    }
    qsort(stapling->kept, stapling->n, sizeof *stapling->kept, compare);
    SSL_CTX_set_tlsext_status_cb(context, on_status);
    SSL_CTX_set_tlsext_status_arg(context, stapling);
    return stapling;
}

void stapling_free(struct stapling *stapling)
{
    if (stapling == NULL)
        return;
    for (size_t i = 0; i < stapling->n; i++)
        free(stapling->kept[i].bytes);
    free(stapling->kept);
    free(stapling);
}

/* SPDX-License-Identifier: MIT */
/* Makes the keys of session tickets from a secret that several nodes share, and others from those. */
#include "tls/derive.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

int derive_digest(const unsigned char *secret, size_t length, unsigned char out[DERIVE_BYTES])
{
    int is_made = EVP_Digest(secret, length, out, NULL, EVP_sha256(), NULL);
    ERR_clear_error();
    return is_made == 1 ? 0 : -1;
}

/* Not const, as OpenSSL's parameters want it; nothing is written. */
static int expand(const unsigned char digest[DERIVE_BYTES], char *info, unsigned char *out,
                  size_t length)
{
    unsigned char key[DERIVE_BYTES];
    char hash[] = "SHA256";
    EVP_KDF *kind = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kind != NULL ? EVP_KDF_CTX_new(kind) : NULL;
    memcpy(key, digest, sizeof key);
    OSSL_PARAM wanted[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, sizeof key),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
        OSSL_PARAM_construct_end()};
    int is_made = context != NULL && EVP_KDF_derive(context, out, length, wanted) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kind);
    explicit_bzero(key, sizeof key);
    ERR_clear_error();
    return is_made ? 0 : -1;
}

int derive_ticket_key(const unsigned char digest[DERIVE_BYTES], uint64_t span, uint64_t span_ms,
                      struct ticket_key *out)
{
    char info[80];
    snprintf(info, sizeof info, "gaidaros ticket key %" PRIu64 " of %" PRIu64 " ms", span,
             span_ms);
    return expand(digest, info, (unsigned char *)out, sizeof *out);
}

int derive_session_key(const struct ticket_key *ticket, unsigned char out[DERIVE_BYTES])
{
    char info[] = "gaidaros sessions by id";
    _Static_assert(sizeof ticket->cipher == DERIVE_BYTES, "a key is as good as a digest");
    return expand(ticket->cipher, info, out, DERIVE_BYTES);
}

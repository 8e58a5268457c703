/* SPDX-License-Identifier: MIT */
/* Whether a certificate and a private key can be shown to clients. */
#include "tls/pair.h"

#include <limits.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* OpenSSL would ask the terminal. */
static int refuse_passphrase(char *out, int bytes, int is_writing, void *was_asked)
{
    (void)out;
    (void)bytes;
    (void)is_writing;
    *(bool *)was_asked = true;
    return -1;
}

static BIO *open_text(const unsigned char *bytes, size_t length)
{
    return length <= INT_MAX ? BIO_new_mem_buf(bytes, (int)length) : NULL;
}

/* The first certificate of the text, after all have been looked at; NULL when there is none or one is broken. */
static X509 *read_chain(const struct tls_pair *pair)
{
    BIO *text = open_text(pair->chain, pair->chain_length);
    X509 *first = NULL, *next;
    if (text == NULL)
        return NULL;
    while ((next = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL) {
        if (first == NULL)
            first = next;
        else
            X509_free(next);
    }
    /* No further beginning of a certificate is how a good text ends. */
    if (first != NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        X509_free(first);
        first = NULL;
    }
    BIO_free(text);
    return first;
}

static EVP_PKEY *read_key(const struct tls_pair *pair, bool *is_encrypted)
{
    BIO *text = open_text(pair->key, pair->key_length);
    EVP_PKEY *key = NULL;
    *is_encrypted = false;
    if (text != NULL)
        key = PEM_read_bio_PrivateKey(text, NULL, refuse_passphrase, is_encrypted);
    BIO_free(text);
    return key;
}

bool tls_pair_check(const struct tls_pair *pair, bool *is_expired,
                    char reason[TLS_REASON_BYTES])
{
    bool is_encrypted;
    const char *why = NULL;
    X509 *certificate = read_chain(pair);
    EVP_PKEY *key = read_key(pair, &is_encrypted);
    *is_expired = false;
    if (certificate == NULL)
        why = "there is no certificate in PEM, or a broken one";
    else if (is_encrypted)
        why = "the private key is encrypted: one without a passphrase is needed";
    else if (key == NULL)
        why = "the private key is broken";
    else if (X509_check_private_key(certificate, key) != 1)
        why = "the private key is not that of the certificate, which must come first";
    else
        *is_expired = X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
    if (why != NULL)
        snprintf(reason, TLS_REASON_BYTES, "%s", why);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return why == NULL;
}

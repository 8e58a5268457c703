/* SPDX-License-Identifier: MIT */
/* A certificate and its private key, from their texts. */
#include "tls/pair.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/pem.h"

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

static int64_t end_of(const X509 *certificate)
{
    struct tm end;
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? (int64_t)timegm(&end)
                                                                       : 0;
}

/* The first one that the one behind it has not issued; -1: all follow one another. */
static int find_gap(const struct tls_shown *shown)
{
    X509 *before = shown->certificate;
    for (int i = 0; i < sk_X509_num(shown->chain); i++) {
        X509 *issuer = sk_X509_value(shown->chain, i);
        if (X509_NAME_cmp(X509_get_issuer_name(before), X509_get_subject_name(issuer)) != 0)
            return i;
        before = issuer;
    }
    return -1;
}

static void note_end(struct tls_shown *shown)
{
    shown->expires_s = end_of(shown->certificate);
    for (int i = 0; i < sk_X509_num(shown->chain); i++) {
        int64_t end_s = end_of(sk_X509_value(shown->chain, i));
        if (end_s < shown->expires_s)
            shown->expires_s = end_s;
    }
}

/* NULL, or why they cannot be used. */
static const char *load(const struct tls_pair *pair, struct tls_shown *shown)
{
    bool is_encrypted;
    shown->chain = pem_certificates(pair->chain, pair->chain_length);
    if (shown->chain == NULL)
        return "there is no certificate in PEM, or a broken one";
    shown->certificate = sk_X509_shift(shown->chain);
    shown->key = read_key(pair, &is_encrypted);
    if (is_encrypted)
        return "the private key is encrypted: one without a passphrase is needed";
    if (shown->key == NULL)
        return "the private key is broken";
    if (X509_check_private_key(shown->certificate, shown->key) != 1)
        return "the private key is not that of the certificate, which must come first";
    note_end(shown);
    return NULL;
}

bool tls_pair_load(const struct tls_pair *pair, struct tls_shown *out,
                   char reason[TLS_REASON_BYTES])
{
    *out = (struct tls_shown){0};
    const char *why = load(pair, out);
    int gap = why == NULL ? find_gap(out) : -1;
    if (why != NULL)
        snprintf(reason, TLS_REASON_BYTES, "%s", why);
    else if (gap >= 0)
        snprintf(reason, TLS_REASON_BYTES,
                 "the chain is not in order: the issuer of certificate %d must stand behind it",
                 gap + 1);
    ERR_clear_error();
    if (why == NULL && gap < 0)
        return true;
    tls_shown_fini(out);
    return false;
}

bool tls_pair_expiry(const unsigned char *chain, size_t length, int64_t *expires_s)
{
    STACK_OF(X509) *certificates = pem_certificates(chain, length);
    bool is_read = certificates != NULL;
    *expires_s = INT64_MAX;
    for (int i = 0; is_read && i < sk_X509_num(certificates); i++) {
        int64_t end_s = end_of(sk_X509_value(certificates, i));
        if (end_s < *expires_s)
            *expires_s = end_s;
    }
    sk_X509_pop_free(certificates, X509_free);
    ERR_clear_error();
    return is_read;
}

void tls_shown_fini(struct tls_shown *shown)
{
    sk_X509_pop_free(shown->chain, X509_free);
    X509_free(shown->certificate);
    EVP_PKEY_free(shown->key);
    *shown = (struct tls_shown){0};
}

bool tls_pair_check(const struct tls_pair *pair, bool *is_expired,
                    char reason[TLS_REASON_BYTES])
{
    struct tls_shown shown;
    *is_expired = false;
    if (!tls_pair_load(pair, &shown, reason))
        return false;
    *is_expired = shown.expires_s < (int64_t)time(NULL);
    tls_shown_fini(&shown);
    return true;
}

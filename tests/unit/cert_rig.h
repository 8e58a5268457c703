/* SPDX-License-Identifier: MIT */
/* Certificates made on the spot, for the tests of TLS. */
#ifndef TESTS_UNIT_CERT_RIG_H
#define TESTS_UNIT_CERT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* A key with its certificate. */
struct cert {
    EVP_PKEY *key;
    X509 *x509;
};

static inline void cert_add_extension(X509 *x509, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/*
 * A certificate for a subject, valid from yesterday for so many days (below 1: it is past).
 * names   as "DNS:app.example,IP:127.0.0.1"; NULL makes an authority
 * issuer  NULL: signed by itself
 */
static inline struct cert cert_new(const char *subject, const char *names, int days,
                                   const struct cert *issuer)
{
    struct cert cert = {EVP_EC_gen("P-256"), X509_new()};
    assert_non_null(cert.key);
    assert_non_null(cert.x509);
    assert_int_equal(X509_set_version(cert.x509, 2), 1);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), -3L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), (days - 1L) * 24 * 3600);
    X509_set_pubkey(cert.x509, cert.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)subject, -1, -1, 0);
    X509_set_issuer_name(cert.x509,
                         X509_get_subject_name(issuer != NULL ? issuer->x509 : cert.x509));
    if (names != NULL)
        cert_add_extension(cert.x509, NID_subject_alt_name, names);
    else
        cert_add_extension(cert.x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(cert.x509, issuer != NULL ? issuer->key : cert.key, EVP_sha256()) >
                0);
    return cert;
}

static inline void cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
}

/* Adds the certificate in PEM to the text, whose room is size bytes. Returns the new length. */
static inline size_t cert_print(const struct cert *cert, unsigned char *text, size_t length,
                                size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    assert_int_equal(PEM_write_bio_X509(bio, cert->x509), 1);
    size_t n = (size_t)BIO_get_mem_data(bio, &bytes);
    assert_true(length + n <= size);
    memcpy(text + length, bytes, n);
    BIO_free(bio);
    return length + n;
}

/* A server's context that shows this certificate. */
static inline SSL_CTX *cert_serve(const struct cert *cert)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(context, cert->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, cert->key), 1);
    return context;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Certificates, lists of revoked ones and words of OCSP responders made on the spot, for the tests of TLS. */
#ifndef TESTS_UNIT_CERT_RIG_H
#define TESTS_UNIT_CERT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
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
 * key     taken over
 * names   as "DNS:app.example,IP:127.0.0.1"; NULL makes an authority
 * issuer  NULL: signed by itself
 */
static inline struct cert cert_new_with(EVP_PKEY *key, const char *subject, const char *names,
                                        int days, const struct cert *issuer)
{
    struct cert cert = {key, X509_new()};
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

static inline struct cert cert_new(const char *subject, const char *names, int days,
                                   const struct cert *issuer)
{
    return cert_new_with(EVP_EC_gen("P-256"), subject, names, days, issuer);
}

/* Adds an extension to a certificate that is there. issuer: NULL: it signs itself */
static inline void cert_extend(struct cert *cert, int kind, const char *value,
                               const struct cert *issuer)
{
    cert_add_extension(cert->x509, kind, value);
    assert_true(X509_sign(cert->x509, issuer != NULL ? issuer->key : cert->key, EVP_sha256()) >
                0);
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

/* A list of revoked certificates to be made; in seconds since 1970. */
struct cert_list {
    const struct cert *issuer, *revoked; /* revoked: NULL: none */
    int64_t made_s, renews_s;            /* renews_s: 0: it does not say */
};

static inline X509_CRL *cert_list_new(const struct cert_list *list)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *made = ASN1_TIME_set(NULL, list->made_s);
    ASN1_TIME *renews = ASN1_TIME_set(NULL, list->renews_s);
    assert_int_equal(X509_CRL_set_version(crl, 1), 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(list->issuer->x509));
    X509_CRL_set1_lastUpdate(crl, made);
    if (list->renews_s != 0)
        X509_CRL_set1_nextUpdate(crl, renews);
    if (list->revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(list->revoked->x509));
        X509_REVOKED_set_revocationDate(entry, made);
        assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    }
    ASN1_TIME_free(made);
    ASN1_TIME_free(renews);
    assert_true(X509_CRL_sign(crl, list->issuer->key, EVP_sha256()) > 0);
    return crl;
}

/* Adds the list in PEM to the text, whose room is size bytes. Returns the new length. */
static inline size_t cert_list_print(const struct cert_list *list, unsigned char *text,
                                     size_t length, size_t size)
{
    X509_CRL *crl = cert_list_new(list);
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
    size_t n = (size_t)BIO_get_mem_data(bio, &bytes);
    assert_true(length + n <= size);
    memcpy(text + length, bytes, n);
    BIO_free(bio);
    X509_CRL_free(crl);
    return length + n;
}

/* The list in DER. Returns its length. */
static inline size_t cert_list_encode(const struct cert_list *list, unsigned char *out,
                                      size_t size)
{
    X509_CRL *crl = cert_list_new(list);
    int length = i2d_X509_CRL(crl, NULL);
    assert_in_range(length, 1, size);
    i2d_X509_CRL(crl, &out);
    X509_CRL_free(crl);
    return (size_t)length;
}

/* An OCSP responder's word to be made; in seconds since 1970. */
struct cert_word {
    const struct cert *about, *issuer, *signer; /* signer: NULL: the issuer */
    int status;                                 /* as V_OCSP_CERTSTATUS_GOOD */
    int64_t made_s, renews_s;                   /* renews_s: 0: it does not say */
};

/* The word in DER, with its signer's certificate. Returns its length. */
static inline size_t cert_word_encode(const struct cert_word *word, unsigned char *out,
                                      size_t size)
{
    const struct cert *signer = word->signer != NULL ? word->signer : word->issuer;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, word->about->x509, word->issuer->x509);
    ASN1_TIME *made = ASN1_GENERALIZEDTIME_set(NULL, word->made_s);
    ASN1_TIME *renews = ASN1_GENERALIZEDTIME_set(NULL, word->renews_s);
    bool is_revoked = word->status == V_OCSP_CERTSTATUS_REVOKED;
    assert_non_null(OCSP_basic_add1_status(basic, id, word->status, 0, is_revoked ? made : NULL,
                                           made, word->renews_s != 0 ? renews : NULL));
    assert_int_equal(OCSP_basic_sign(basic, signer->x509, signer->key, EVP_sha256(), NULL, 0),
                     1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int length = i2d_OCSP_RESPONSE(response, NULL);
    assert_in_range(length, 1, size);
    i2d_OCSP_RESPONSE(response, &out);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(made);
    ASN1_TIME_free(renews);
    return (size_t)length;
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

/* SPDX-License-Identifier: MIT */
/* What OCSP responders are to be asked about a client's certificates. */
#include "tls/query.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/pem.h"

/* ---- keys ---- */

static bool hash_certificate(EVP_MD_CTX *hash, const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 &&
           EVP_DigestUpdate(hash, digest, length) == 1;
}

/* Of two responders one may say otherwise than the other. */
static bool make_key(const char *url, const X509 *certificate, const X509 *issuer,
                     unsigned char key[STANDING_KEY_BYTES])
{
    unsigned length = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_made = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                   hash_certificate(hash, certificate) && hash_certificate(hash, issuer) &&
                   EVP_DigestUpdate(hash, url, strlen(url)) == 1 &&
                   EVP_DigestFinal_ex(hash, digest, &length) == 1 &&
                   length == STANDING_KEY_BYTES;
    EVP_MD_CTX_free(hash);
    if (is_made)
        memcpy(key, digest, STANDING_KEY_BYTES);
    ERR_clear_error();
    return is_made;
}

/* ---- who is asked about ---- */

bool query_is_issuer(X509 *issuer, X509 *certificate)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK &&
           X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

bool query_is_trusted(const STACK_OF(X509) * trusted, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(trusted); i++)
        if (X509_cmp(sk_X509_value(trusted, i), certificate) == 0)
            return true;
    return false;
}

static bool fill(const struct query_terms *terms, X509 *certificate, X509 *issuer,
                 struct query *out)
{
    out->certificate = certificate;
    out->issuer = issuer;
    return make_key(terms->url, certificate, issuer, out->key);
}

int query_chain(const struct query_terms *terms, const STACK_OF(X509) * chain,
                struct query out[QUERIES_MOST])
{
    int n = 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *certificate = sk_X509_value(chain, i);
        if (query_is_trusted(terms->trusted, certificate))
            break;
        if (n == QUERIES_MOST || i + 1 == sk_X509_num(chain) ||
            !fill(terms, certificate, sk_X509_value(chain, i + 1), &out[n++]))
            return -1;
    }
    return n;
}

int query_alone(const struct query_terms *terms, X509 *certificate, struct query *out)
{
    if (query_is_trusted(terms->trusted, certificate))
        return 0;
    for (int i = 0; i < sk_X509_num(terms->trusted); i++) {
        X509 *issuer = sk_X509_value(terms->trusted, i);
        if (query_is_issuer(issuer, certificate))
            return fill(terms, certificate, issuer, out) ? 1 : -1;
    }
    ERR_clear_error();
    return -1;
}

/* ---- on the way to the director ---- */

bool query_print(const struct query *query, struct text *out)
{
    BIO *printed = BIO_new(BIO_s_mem());
    char *bytes;
    bool is_printed = printed != NULL && PEM_write_bio_X509(printed, query->certificate) == 1 &&
                      PEM_write_bio_X509(printed, query->issuer) == 1;
    if (is_printed) {
        long length = BIO_get_mem_data(printed, &bytes);
        text_append(out, bytes, (size_t)length);
    }
    BIO_free(printed);
    ERR_clear_error();
    return is_printed && !out->failed;
}

bool query_read(const char *url, const void *bytes, size_t length,
                unsigned char key[STANDING_KEY_BYTES])
{
    STACK_OF(X509) *pair = pem_certificates(bytes, length);
    bool is_read = sk_X509_num(pair) == 2 &&
                   make_key(url, sk_X509_value(pair, 0), sk_X509_value(pair, 1), key);
    sk_X509_pop_free(pair, X509_free);
    return is_read;
}

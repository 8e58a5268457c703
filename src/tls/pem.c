/* SPDX-License-Identifier: MIT */
/* Certificates from a text in PEM. */
#include "tls/pem.h"

#include <limits.h>
#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* False when one is broken. */
static bool read_all(BIO *text, STACK_OF(X509) * out)
{
    X509 *next;
    while ((next = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(out, next) > 0)
            continue;
        X509_free(next);
        return false;
    }
    /* No further beginning of a certificate is how a good text ends. */
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

STACK_OF(X509) * pem_certificates(const unsigned char *bytes, size_t length)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *text = length <= INT_MAX ? BIO_new_mem_buf(bytes, (int)length) : NULL;
    bool is_good = all != NULL && text != NULL && read_all(text, all) && sk_X509_num(all) > 0;
    BIO_free(text);
    ERR_clear_error();
    if (is_good)
        return all;
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

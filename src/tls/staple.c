/* SPDX-License-Identifier: MIT */
/* An OCSP responder's word on a certificate: how it is asked for, whether it is good. */
#include "tls/staple.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "tls/pem.h"
#include "tls/query.h"

enum { SKEW_S = 300 /* of a responder's clock */ };

static bool fail(char reason[TLS_REASON_BYTES], const char *words)
{
    snprintf(reason, TLS_REASON_BYTES, "%s", words);
    return false;
}

/* A certificate and who has issued it; both live in the chain. */
struct subject {
    STACK_OF(X509) * chain; /* owned */
    X509 *certificate, *issuer;
};

static bool find_subject(const unsigned char *bytes, size_t length, struct subject *out,
                         char reason[TLS_REASON_BYTES])
{
    *out = (struct subject){.chain = pem_certificates(bytes, length)};
    if (out->chain == NULL)
        return fail(reason, "there is no certificate in PEM, or a broken one");
    out->certificate = sk_X509_value(out->chain, 0);
    for (int i = 1; i < sk_X509_num(out->chain) && out->issuer == NULL; i++)
        if (query_is_issuer(sk_X509_value(out->chain, i), out->certificate))
            out->issuer = sk_X509_value(out->chain, i);
    ERR_clear_error();
    if (out->issuer != NULL)
        return true;
    sk_X509_pop_free(out->chain, X509_free);
    return fail(reason, "its issuer's certificate does not stand behind it");
}

/* ---- asking ---- */

/* The first http:// one; NULL: there is none. */
static char *find_responder(X509 *certificate)
{
    static const char web[] = "http://";
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(certificate);
    char *found = NULL;
    for (int i = 0; i < sk_OPENSSL_STRING_num(urls) && found == NULL; i++) {
        const char *url = sk_OPENSSL_STRING_value(urls, i);
        if (strncasecmp(url, web, sizeof web - 1) == 0)
            found = strdup(url);
    }
    X509_email_free(urls);
    return found;
}

static bool make_request(const struct subject *subject, struct staple_query *out)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, subject->certificate, subject->issuer);
    bool is_made = request != NULL && id != NULL && OCSP_request_add0_id(request, id) != NULL;
    if (!is_made)
        OCSP_CERTID_free(id);
    unsigned char *der = NULL;
    int length = is_made ? i2d_OCSP_REQUEST(request, &der) : 0;
    out->bytes = length > 0 ? malloc((size_t)length) : NULL;
    if (out->bytes != NULL) {
        memcpy(out->bytes, der, (size_t)length);
        out->length = (size_t)length;
    }
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    return out->bytes != NULL;
}

bool staple_ask(const unsigned char *chain, size_t chain_length, const char *url,
                struct staple_query *out, char reason[TLS_REASON_BYTES])
{
    struct subject subject;
    *out = (struct staple_query){0};
    if (!find_subject(chain, chain_length, &subject, reason))
        return false;
    bool is_made = false;
    out->url = *url != '\0' ? strdup(url) : find_responder(subject.certificate);
    if (out->url == NULL)
        (void)fail(reason, "it names no OCSP responder by http://");
    else if (!make_request(&subject, out))
        (void)fail(reason, "out of memory");
    else
        is_made = true;
    if (!is_made)
        staple_query_fini(out);
    sk_X509_pop_free(subject.chain, X509_free);
    ERR_clear_error();
    return is_made;
}

void staple_query_fini(struct staple_query *query)
{
    free(query->url);
    free(query->bytes);
    *query = (struct staple_query){0};
}

bool staple_fetch(const struct staple_query *query, size_t most_bytes, int most_s,
                  struct fetch_answer *out, char reason[TLS_REASON_BYTES])
{
    const struct fetch_order order = {.url = query->url,
                                      .posted = query->bytes,
                                      .posted_length = query->length,
                                      .posted_type = "application/ocsp-request",
                                      .wanted_type = "application/ocsp-response",
                                      .most_bytes = most_bytes,
                                      .most_s = most_s};
    return fetch_run(&order, out, reason);
}

/* ---- judging ---- */

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *time)
{
    struct tm moment;
    return time != NULL && ASN1_TIME_to_tm(time, &moment) == 1 ? (int64_t)timegm(&moment)
                                                               : INT64_MAX;
}

/* Trusted are the issuer and, for this, whom it has named. */
static bool is_signed(OCSP_BASICRESP *answer, const struct subject *subject)
{
    X509_STORE *store = X509_STORE_new();
    bool is_good = store != NULL && X509_STORE_add_cert(store, subject->issuer) == 1 &&
                   X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                   OCSP_basic_verify(answer, subject->chain, store, 0) == 1;
    X509_STORE_free(store);
    return is_good;
}

/* NULL, or why not. */
static const char *judge(OCSP_BASICRESP *answer, const struct subject *subject, int64_t now_s,
                         struct staple_facts *out)
{
    int status = -1, cause = -1;
    ASN1_GENERALIZEDTIME *revoked = NULL, *made = NULL, *renews = NULL;
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, subject->certificate, subject->issuer);
    if (!is_signed(answer, subject)) {
        OCSP_CERTID_free(id);
        return "the answer's signature is not the issuer's, nor of whom that has named";
    }
    bool is_there = id != NULL && OCSP_resp_find_status(answer, id, &status, &cause, &revoked,
                                                        &made, &renews) == 1;
    OCSP_CERTID_free(id);
    if (!is_there)
        return "the answer is about another certificate";
    out->made_s = seconds_of(made);
    out->renews_s = seconds_of(renews);
    out->is_revoked = status == V_OCSP_CERTSTATUS_REVOKED;
    if (out->is_revoked)
        return "the responder says that the certificate is revoked";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return "the responder does not know the certificate";
    if (out->made_s > now_s + SKEW_S)
        return "the answer is of the future: look at the clocks";
    return out->renews_s <= now_s ? "the answer is too old" : NULL;
}

bool staple_check(const unsigned char *chain, size_t chain_length, const unsigned char *bytes,
                  size_t length, int64_t now_s, struct staple_facts *out,
                  char reason[TLS_REASON_BYTES])
{
    const unsigned char *at = bytes;
    struct subject subject;
    *out = (struct staple_facts){0};
    if (!find_subject(chain, chain_length, &subject, reason))
        return false;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)length);
    OCSP_BASICRESP *answer = NULL;
    int status = response != NULL ? OCSP_response_status(response) : -1;
    const char *why = NULL;
    if (response == NULL || at != bytes + length)
        why = "there is no OCSP response, or a broken one";
    else if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        why = OCSP_response_status_str(status);
    else if ((answer = OCSP_response_get1_basic(response)) == NULL)
        why = "the response is of an unknown kind";
    else
        why = judge(answer, &subject, now_s, out);
    if (why != NULL)
        (void)fail(reason, why);
    OCSP_BASICRESP_free(answer);
    OCSP_RESPONSE_free(response);
    sk_X509_pop_free(subject.chain, X509_free);
    ERR_clear_error();
    return why == NULL;
}

bool staple_look(const unsigned char *bytes, size_t length, struct staple_facts *out)
{
    const unsigned char *at = bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)length);
    OCSP_BASICRESP *answer = response != NULL ? OCSP_response_get1_basic(response) : NULL;
    OCSP_SINGLERESP *single =
        answer != NULL && OCSP_resp_count(answer) > 0 ? OCSP_resp_get0(answer, 0) : NULL;
    ASN1_GENERALIZEDTIME *made = NULL, *renews = NULL;
    if (single != NULL) {
        (void)OCSP_single_get0_status(single, NULL, NULL, &made, &renews);
        *out =
            (struct staple_facts){.made_s = seconds_of(made), .renews_s = seconds_of(renews)};
    }
    OCSP_BASICRESP_free(answer);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return single != NULL;
}

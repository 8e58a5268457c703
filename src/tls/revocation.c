/* SPDX-License-Identifier: MIT */
/* Whether certificates that clients show were revoked: by lists, and by what OCSP responders have said. */
#include "tls/revocation.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "tls/crl.h"
#include "tls/pem.h"

/*
 * OpenSSL itself looks for the list that is for a certificate, checks its signature, its scope and its time, and looks the
 * certificate up (RFC 5280, section 6.3). What is decided here is what becomes of a certificate without a fresh list.
 *
 * A responder is asked when the handshake is over, since nothing may wait here. Who is known to be revoked is refused
 * within the handshake all the same: that is the place where a client can be told.
 */

struct revocation {
    STACK_OF(X509) * trusted; /* owned */
    int64_t renews_s;
    bool is_lenient;
    struct wishes *wishes;
    char *responder; /* owned; NULL: none is asked */
    const struct standing_row *standings;
};

static void free_subject(void *parent, void *subject, CRYPTO_EX_DATA *data, int index,
                         long number, void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    OPENSSL_free(subject);
}

/* Where a context has its revocation, a connection its subject; made by whoever comes first, -1 when they cannot be had. */
static _Atomic int context_place = -1, subject_place = -1;

static bool have_place(_Atomic int *place, int made)
{
    int none = -1;
    return made >= 0 &&
           (atomic_compare_exchange_strong(place, &none, made) || atomic_load(place) >= 0);
}

static bool have_places(void)
{
    return (atomic_load(&context_place) >= 0 ||
            have_place(&context_place, SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL))) &&
           (atomic_load(&subject_place) >= 0 ||
            have_place(&subject_place,
                       SSL_get_ex_new_index(0, NULL, NULL, NULL, free_subject)));
}

enum tls_blame revocation_blame(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_CERT_REVOKED:
        return TLS_BLAME_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return TLS_BLAME_STALE;
    default:
        return TLS_BLAME_OTHER;
    }
}

/* ---- one certificate ---- */

static struct query_terms terms_of(const struct revocation *revocation)
{
    return (struct query_terms){.trusted = revocation->trusted, .url = revocation->responder};
}

/* Signatures are checked last of all: until then anybody may have written what a certificate says. */
static bool is_signed(X509_STORE_CTX *context)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    for (int i = X509_STORE_CTX_get_error_depth(context); i + 1 < sk_X509_num(chain); i++)
        if (X509_verify(sk_X509_value(chain, i),
                        X509_get0_pubkey(sk_X509_value(chain, i + 1))) != 1)
            return false;
    return true;
}

static void wish(void *wishes, const char *url)
{
    (void)wishes_add(wishes, url);
}

/* For the logs: a certificate that was refused is nowhere else to be had. */
static void note_subject(SSL *ssl, const X509 *certificate)
{
    int place = atomic_load(&subject_place);
    BIO *printed = BIO_new(BIO_s_mem());
    char *text;
    if (printed != NULL && X509_NAME_print_ex(printed, X509_get_subject_name(certificate), 0,
                                              XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(printed, &text);
        OPENSSL_free(SSL_get_ex_data(ssl, place));
        (void)SSL_set_ex_data(ssl, place, OPENSSL_strndup(text, (size_t)length));
    }
    BIO_free(printed);
}

const char *revocation_subject(const SSL *ssl)
{
    int place = atomic_load(&subject_place);
    return place >= 0 ? SSL_get_ex_data(ssl, place) : NULL;
}

/* No fresh list covers the certificate: whether it may enter all the same. */
static bool is_excused(const struct revocation *revocation, X509_STORE_CTX *context,
                       const X509 *certificate)
{
    if (query_is_trusted(revocation->trusted, certificate))
        return true;
    if (revocation->wishes != NULL && is_signed(context))
        crl_find_points(certificate, wish, revocation->wishes);
    return revocation->is_lenient;
}

static bool was_revoked(const struct revocation *revocation, const struct query *query)
{
    return standing_get(revocation->standings, query->key, clock_now_ns(), UINT64_MAX) ==
           STANDING_REVOKED;
}

/* All that the chain stands on was verified; the first that a responder has called revoked, NULL: none. */
static const X509 *find_revoked(const struct revocation *revocation, X509_STORE_CTX *context)
{
    struct query queries[QUERIES_MOST];
    const struct query_terms terms = terms_of(revocation);
    int n = query_chain(&terms, X509_STORE_CTX_get0_chain(context), queries);
    for (int i = 0; i < n; i++)
        if (was_revoked(revocation, &queries[i]))
            return queries[i].certificate;
    return NULL;
}

static int on_good(const struct revocation *revocation, X509_STORE_CTX *context, SSL *ssl)
{
    if (revocation->responder == NULL || X509_STORE_CTX_get_error_depth(context) != 0)
        return 1;
    const X509 *revoked = find_revoked(revocation, context);
    if (revoked == NULL)
        return 1;
    X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REVOKED);
    note_subject(ssl, revoked);
    return 0;
}

static int on_verdict(int is_good, X509_STORE_CTX *context)
{
    enum tls_blame blame = revocation_blame(X509_STORE_CTX_get_error(context));
    const X509 *certificate = X509_STORE_CTX_get_current_cert(context);
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct revocation *revocation =
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), atomic_load(&context_place));
    if (is_good == 1)
        return on_good(revocation, context, ssl);
    if (blame == TLS_BLAME_OTHER || certificate == NULL)
        return is_good;
    if (blame == TLS_BLAME_STALE && is_excused(revocation, context, certificate)) {
        X509_STORE_CTX_set_error(context, X509_V_OK);
        return 1;
    }
    note_subject(ssl, certificate);
    return 0;
}

/* ---- sessions ---- */

static const struct revocation *revocation_of(const SSL_CTX *context)
{
    int place = atomic_load(&context_place);
    return place >= 0 ? SSL_CTX_get_ex_data(context, place) : NULL;
}

/* Also when it comes to pass that a responder calls it revoked: then the full handshake tells the client. */
static bool is_known(const struct revocation *revocation, const SSL_SESSION *session)
{
    X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);
    const struct query_terms terms = terms_of(revocation);
    struct query query;
    if (revocation->responder == NULL || certificate == NULL)
        return true;
    int n = query_alone(&terms, certificate, &query);
    return n == 0 || (n == 1 && !was_revoked(revocation, &query));
}

static bool lets_resume(const struct revocation *revocation, const SSL_SESSION *session)
{
    return (revocation->is_lenient || revocation->renews_s > (int64_t)time(NULL)) &&
           is_known(revocation, session);
}

bool revocation_lets_resume(const SSL_CTX *context, const SSL_SESSION *session)
{
    const struct revocation *revocation = revocation_of(context);
    return revocation == NULL || lets_resume(revocation, session);
}

int revocation_queries(const SSL *ssl, struct query out[QUERIES_MOST])
{
    const struct revocation *revocation = revocation_of(SSL_get_SSL_CTX(ssl));
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (revocation == NULL || revocation->responder == NULL || certificate == NULL)
        return 0;
    const struct query_terms terms = terms_of(revocation);
    return chain != NULL ? query_chain(&terms, chain, out)
                         : query_alone(&terms, certificate, out);
}

/* What a session stands on was looked up when it began; lists that have changed since are part of its context's name. */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                   size_t name_length, SSL_TICKET_STATUS status, void *argument)
{
    const struct revocation *revocation = argument;
    bool is_open = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    (void)ssl;
    (void)name;
    (void)name_length;
    if (!is_open || !lets_resume(revocation, session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- all ---- */

/* False with the reason; one that was fetched and is broken was refused where it came from. */
static bool add_list(struct revocation *revocation, X509_STORE *store,
                     const struct tls_list *list, char reason[TLS_REASON_BYTES])
{
    STACK_OF(X509_CRL) *all = crl_read(list->bytes, list->length, reason);
    struct crl_facts facts;
    bool is_added = all != NULL;
    if (all == NULL)
        return list->is_fetched;
    for (int i = 0; is_added && i < sk_X509_CRL_num(all); i++)
        is_added = X509_STORE_add_crl(store, sk_X509_CRL_value(all, i)) == 1;
    crl_look(all, &facts);
    if (facts.renews_s < revocation->renews_s)
        revocation->renews_s = facts.renews_s;
    crl_free(all);
    if (!is_added)
        snprintf(reason, TLS_REASON_BYTES, "out of memory");
    return is_added;
}

static bool add_lists(struct revocation *revocation, X509_STORE *store,
                      const struct revocation_plan *plan, size_t *which,
                      char reason[TLS_REASON_BYTES])
{
    for (*which = 0; *which < plan->n_lists; (*which)++)
        if (plan->lists[*which].length > 0 &&
            !add_list(revocation, store, &plan->lists[*which], reason))
            return false;
    return true;
}

static bool take_responder(struct revocation *revocation, const struct revocation_plan *plan)
{
    revocation->responder = plan->responder != NULL ? strdup(plan->responder) : NULL;
    return plan->responder == NULL || revocation->responder != NULL;
}

struct revocation *revocation_install(SSL_CTX *context, const struct revocation_plan *plan,
                                      size_t *which, char reason[TLS_REASON_BYTES])
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    struct revocation *revocation = calloc(1, sizeof *revocation);
    snprintf(reason, TLS_REASON_BYTES, "out of memory");
    *which = plan->n_lists;
    if (revocation == NULL)
        return NULL;
    *revocation = (struct revocation){.trusted = pem_certificates(plan->ca, plan->ca_length),
                                      .renews_s = INT64_MAX,
                                      .is_lenient = plan->is_lenient,
                                      .wishes = plan->wishes,
                                      .standings = plan->standings};
    if (revocation->trusted != NULL && have_places() && take_responder(revocation, plan) &&
        SSL_CTX_set_ex_data(context, atomic_load(&context_place), revocation) == 1 &&
        (!plan->is_asked ||
         X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1) &&
        SSL_CTX_set_session_ticket_cb(context, NULL, on_ticket, revocation) == 1 &&
        add_lists(revocation, store, plan, which, reason)) {
        SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verdict);
        ERR_clear_error();
        return revocation;
    }
    ERR_clear_error();
    revocation_free(revocation);
    return NULL;
}

void revocation_free(struct revocation *revocation)
{
    if (revocation == NULL)
        return;
    sk_X509_pop_free(revocation->trusted, X509_free);
    free(revocation->responder);
    free(revocation);
}

int64_t revocation_renews(const struct revocation *revocation)
{
    return revocation->renews_s;
}

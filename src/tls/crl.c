/* SPDX-License-Identifier: MIT */
/* Lists of revoked certificates: whether one is good, when it must be renewed, where others are to be had. */
#include "tls/crl.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/pem.h"

static bool fail(char reason[TLS_REASON_BYTES], const char *words)
{
    snprintf(reason, TLS_REASON_BYTES, "%s", words);
    return false;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm moment;
    return time != NULL && ASN1_TIME_to_tm(time, &moment) == 1 ? (int64_t)timegm(&moment)
                                                               : INT64_MAX;
}

/* ---- reading ---- */

static bool push(STACK_OF(X509_CRL) * lists, X509_CRL *list)
{
    if (sk_X509_CRL_push(lists, list) > 0)
        return true;
    X509_CRL_free(list);
    return false;
}

/* False when one is broken. */
static bool read_pem(BIO *text, STACK_OF(X509_CRL) * lists)
{
    X509_CRL *next;
    while ((next = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL)) != NULL)
        if (!push(lists, next))
            return false;
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool read_der(const unsigned char *bytes, size_t length, STACK_OF(X509_CRL) * lists)
{
    const unsigned char *at = bytes;
    X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)length);
    return list != NULL && push(lists, list) && at == bytes + length;
}

static bool read_all(const unsigned char *bytes, size_t length, STACK_OF(X509_CRL) * lists)
{
    enum { SEQUENCE = 0x30 };
    if (length > 0 && bytes[0] == SEQUENCE)
        return read_der(bytes, length, lists);
    BIO *text = BIO_new_mem_buf(bytes, (int)length);
    bool is_read = text != NULL && read_pem(text, lists);
    BIO_free(text);
    return is_read && sk_X509_CRL_num(lists) > 0;
}

static bool have_ends(const STACK_OF(X509_CRL) * lists)
{
    for (int i = 0; i < sk_X509_CRL_num(lists); i++)
        if (X509_CRL_get0_nextUpdate(sk_X509_CRL_value(lists, i)) == NULL)
            return false;
    return true;
}

STACK_OF(X509_CRL) *
    crl_read(const unsigned char *bytes, size_t length, char reason[TLS_REASON_BYTES])
{
    STACK_OF(X509_CRL) *lists = length <= INT_MAX ? sk_X509_CRL_new_null() : NULL;
    bool is_good = false;
    if (lists == NULL)
        (void)fail(reason, "out of memory");
    else if (!read_all(bytes, length, lists))
        (void)fail(reason, "there is no revocation list in PEM or DER, or a broken one");
    else if (!have_ends(lists))
        (void)fail(reason, "the list does not say when it is to be renewed (nextUpdate)");
    else
        is_good = true;
    ERR_clear_error();
    if (is_good)
        return lists;
    crl_free(lists);
    return NULL;
}

void crl_free(STACK_OF(X509_CRL) * lists)
{
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
}

void crl_look(const STACK_OF(X509_CRL) * lists, struct crl_facts *out)
{
    *out = (struct crl_facts){.made_s = INT64_MIN, .renews_s = INT64_MAX};
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        const X509_CRL *list = sk_X509_CRL_value(lists, i);
        int64_t made_s = seconds_of(X509_CRL_get0_lastUpdate(list));
        int64_t renews_s = seconds_of(X509_CRL_get0_nextUpdate(list));
        if (made_s > out->made_s)
            out->made_s = made_s;
        if (renews_s < out->renews_s)
            out->renews_s = renews_s;
    }
}

/* ---- judging ---- */

/* NULL, or why no list of theirs is good. */
static const char *judge_signature(X509_CRL *list, const STACK_OF(X509) * authorities)
{
    const char *why = "is signed by nobody of client_ca";
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        X509 *issuer = sk_X509_value(authorities, i);
        if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(list)) != 0)
            continue;
        if (X509_CRL_verify(list, X509_get0_pubkey(issuer)) == 1)
            return NULL;
        why = "has a signature that is not its issuer's";
    }
    return why;
}

static bool are_signed(const STACK_OF(X509_CRL) * lists, const unsigned char *ca,
                       size_t ca_length, char reason[TLS_REASON_BYTES])
{
    STACK_OF(X509) *authorities = pem_certificates(ca, ca_length);
    const char *why = authorities == NULL ? "there is no certificate to check it with" : NULL;
    for (int i = 0; why == NULL && i < sk_X509_CRL_num(lists); i++)
        why = judge_signature(sk_X509_CRL_value(lists, i), authorities);
    sk_X509_pop_free(authorities, X509_free);
    ERR_clear_error();
    return why == NULL || fail(reason, why);
}

/* Whether the latest of the lists of the same issuer was made before this one, or there is none. */
static bool is_made_after(const X509_CRL *known, const STACK_OF(X509_CRL) * lists)
{
    int64_t latest_s = INT64_MIN;
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        const X509_CRL *list = sk_X509_CRL_value(lists, i);
        int64_t made_s = seconds_of(X509_CRL_get0_lastUpdate(list));
        if (made_s > latest_s &&
            X509_NAME_cmp(X509_CRL_get_issuer(list), X509_CRL_get_issuer(known)) == 0)
            latest_s = made_s;
    }
    return latest_s < seconds_of(X509_CRL_get0_lastUpdate(known));
}

/* Who is in the middle could else bring back a list from before somebody was revoked. */
static bool is_older(const STACK_OF(X509_CRL) * lists, const struct crl_facts *facts,
                     const unsigned char *before, size_t before_length, int64_t now_s)
{
    char unused[TLS_REASON_BYTES];
    struct crl_facts known = {.made_s = INT64_MIN};
    STACK_OF(X509_CRL) *all =
        before_length > 0 ? crl_read(before, before_length, unused) : NULL;
    bool is_one_older = false;
    if (all != NULL)
        crl_look(all, &known);
    for (int i = 0; i < sk_X509_CRL_num(all) && !is_one_older; i++) {
        const X509_CRL *one = sk_X509_CRL_value(all, i);
        bool counts = seconds_of(X509_CRL_get0_nextUpdate(one)) > now_s;
        is_one_older = counts && is_made_after(one, lists);
    }
    crl_free(all);
    return is_one_older || facts->made_s < known.made_s;
}

bool crl_check(const unsigned char *bytes, size_t length, const unsigned char *ca,
               size_t ca_length, const unsigned char *before, size_t before_length,
               int64_t now_s, struct crl_facts *out, char reason[TLS_REASON_BYTES])
{
    STACK_OF(X509_CRL) *lists = crl_read(bytes, length, reason);
    bool is_good = lists != NULL && are_signed(lists, ca, ca_length, reason);
    if (is_good) {
        crl_look(lists, out);
        if (out->renews_s <= now_s)
            is_good = fail(reason, "is too old: its time to be renewed has passed");
        else if (out->made_s > now_s)
            is_good = fail(reason, "is of the future: look at the clocks");
        else if (is_older(lists, out, before, before_length, now_s))
            is_good = fail(reason, "is older than the list that is there, or another issuer's");
    }
    crl_free(lists);
    return is_good;
}

/* ---- distribution points ---- */

static void tell_name(const GENERAL_NAME *name, crl_tell *tell, void *context)
{
    char url[1024];
    static const char web[] = "http://";
    if (name->type != GEN_URI)
        return;
    const ASN1_IA5STRING *text = name->d.uniformResourceIdentifier;
    size_t length = (size_t)ASN1_STRING_length(text);
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    if (length >= sizeof url || memchr(bytes, '\0', length) != NULL)
        return;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return;
    memcpy(url, bytes, length);
    url[length] = '\0';
    if (strncasecmp(url, web, sizeof web - 1) == 0)
        tell(context, url);
}

void crl_find_points(const X509 *certificate, crl_tell *tell, void *context)
{
    CRL_DIST_POINTS *points =
        X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT_NAME *where = sk_DIST_POINT_value(points, i)->distpoint;
        if (where == NULL || where->type != 0)
            continue;
        for (int k = 0; k < sk_GENERAL_NAME_num(where->name.fullname); k++)
            tell_name(sk_GENERAL_NAME_value(where->name.fullname, k), tell, context);
    }
    CRL_DIST_POINTS_free(points);
}

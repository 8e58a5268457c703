/* SPDX-License-Identifier: MIT */
/* Promises of tls/staple: who is asked for what, and which answer is worth to be sent. */
#include "tls/staple.h"

#include "cert_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 16384, HOUR_S = 3600 };

static int64_t now_s; /* some moment, the same for the whole test */

/* The authority, one of the same name with another key; a certificate of the first, and another one. */
static struct cert authority, namesake, page, other;
static unsigned char chain[MOST]; /* of page */
static size_t chain_length;

static struct cert new_page(const char *access)
{
    struct cert cert = cert_new("page", "DNS:page.example", 9, &authority);
    if (access != NULL)
        cert_extend(&cert, NID_info_access, access, &authority);
    return cert;
}

static int make_certificates(void **state)
{
    (void)state;
    now_s = (int64_t)time(NULL);
    authority = cert_new("us", NULL, 9, NULL);
    namesake = cert_new("us", NULL, 9, NULL);
    page = new_page("OCSP;URI:http://ocsp.example/ask");
    other = new_page("OCSP;URI:http://ocsp.example/ask");
    chain_length = cert_print(&page, chain, 0, MOST);
    chain_length = cert_print(&authority, chain, chain_length, MOST);
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    cert_free(&authority);
    cert_free(&namesake);
    cert_free(&page);
    cert_free(&other);
    return 0;
}

/* ---- asking ---- */

static void assert_about_page(const struct staple_query *query)
{
    const unsigned char *at = query->bytes;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &at, (long)query->length);
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, page.x509, authority.x509);
    assert_non_null(request);
    assert_ptr_equal(at, query->bytes + query->length);
    assert_int_equal(OCSP_request_onereq_count(request), 1);
    assert_int_equal(OCSP_id_cmp(id, OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0))),
                     0);
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
}

static void the_responder_is_asked_about_the_certificate(void **state)
{
    (void)state;
    char reason[TLS_REASON_BYTES] = "";
    struct staple_query query;
    if (!staple_ask(chain, chain_length, "", &query, reason))
        fail_msg("%s", reason);
    assert_string_equal(query.url, "http://ocsp.example/ask");
    assert_about_page(&query);
    staple_query_fini(&query);
    assert_null(query.url);
    assert_null(query.bytes);
}

static void what_else_stands_there_is_passed_over(void **state)
{
    (void)state;
    static const char words[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
                                "subject=page\n";
    static unsigned char text[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct staple_query query;
    memcpy(text, words, sizeof words - 1);
    size_t length = cert_print(&page, text, sizeof words - 1, MOST);
    length = cert_print(&other, text, length, MOST);
    length = cert_print(&namesake, text, length, MOST);
    length = cert_print(&authority, text, length, MOST);
    if (!staple_ask(text, length, "", &query, reason))
        fail_msg("%s", reason);
    assert_string_equal(query.url, "http://ocsp.example/ask");
    assert_about_page(&query);
    staple_query_fini(&query);
}

static void assert_not_asked(const unsigned char *bytes, size_t length, const char *says)
{
    char reason[TLS_REASON_BYTES] = "";
    struct staple_query query;
    assert_false(staple_ask(bytes, length, "", &query, reason));
    if (strstr(reason, says) == NULL)
        fail_msg("not %s but %s", says, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void without_an_issuer_nobody_is_asked(void **state)
{
    (void)state;
    static unsigned char text[MOST];
    size_t length = cert_print(&page, text, 0, MOST);
    assert_not_asked(text, length, "issuer");
    length = cert_print(&other, text, length, MOST);
    assert_not_asked(text, length, "issuer");
    assert_not_asked(text, 0, "no certificate");
    length = cert_print(&authority, text, 0, MOST); /* behind it, not before */
    length = cert_print(&page, text, length, MOST);
    assert_not_asked(text, length, "");
    assert_not_asked(chain, chain_length - 40, "broken");
}

static void without_a_responder_nobody_is_asked(void **state)
{
    (void)state;
    static const char *const accesses[] = {NULL, "OCSP;URI:https://ocsp.example/",
                                           "OCSP;URI:ldap://ocsp.example/",
                                           "caIssuers;URI:http://ca.example/"};
    static unsigned char text[MOST];
    for (size_t i = 0; i < sizeof accesses / sizeof *accesses; i++) {
        struct cert cert = new_page(accesses[i]);
        size_t length = cert_print(&cert, text, 0, MOST);
        length = cert_print(&authority, text, length, MOST);
        assert_not_asked(text, length, "no OCSP responder");
        cert_free(&cert);
    }
}

static void the_first_by_http_is_asked(void **state)
{
    (void)state;
    static unsigned char text[MOST];
    char reason[TLS_REASON_BYTES];
    struct staple_query query;
    struct cert cert = new_page("OCSP;URI:https://a.example/,caIssuers;URI:http://b.example/,"
                                "OCSP;URI:http://c.example/,OCSP;URI:http://d.example/");
    size_t length = cert_print(&cert, text, 0, MOST);
    length = cert_print(&authority, text, length, MOST);
    assert_true(staple_ask(text, length, "", &query, reason));
    assert_string_equal(query.url, "http://c.example/");
    staple_query_fini(&query);
    cert_free(&cert);
}

/* ---- judging ---- */

/* Said an hour ago, to be renewed in an hour. */
static struct cert_word fresh_word(void)
{
    return (struct cert_word){.about = &page,
                              .issuer = &authority,
                              .status = V_OCSP_CERTSTATUS_GOOD,
                              .made_s = now_s - HOUR_S,
                              .renews_s = now_s + HOUR_S};
}

/* says: NULL: it must be good */
static void assert_judged_at(const struct cert_word *word, int64_t at_s, const char *says)
{
    static unsigned char bytes[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts facts;
    size_t length = cert_word_encode(word, bytes, MOST);
    bool is_good = staple_check(chain, chain_length, bytes, length, at_s, &facts, reason);
    assert_int_equal(ERR_peek_error(), 0);
    if (is_good != (says == NULL) || (says != NULL && strstr(reason, says) == NULL))
        fail_msg("%s, not %s but %s", is_good ? "good" : "bad", says, reason);
    if (!is_good)
        return;
    assert_int_equal(facts.made_s, word->made_s);
    assert_int_equal(facts.renews_s, word->renews_s != 0 ? word->renews_s : INT64_MAX);
}

static void assert_judged(const struct cert_word *word, const char *says)
{
    assert_judged_at(word, now_s, says);
}

static void only_a_good_word_is_good(void **state)
{
    (void)state;
    struct cert_word word = fresh_word();
    assert_judged(&word, NULL);
    word.status = V_OCSP_CERTSTATUS_REVOKED;
    assert_judged(&word, "revoked");
    word.status = V_OCSP_CERTSTATUS_UNKNOWN;
    assert_judged(&word, "does not know");
    word = fresh_word();
    word.about = &other;
    assert_judged(&word, "another certificate");
}

static void a_word_is_good_for_its_time(void **state)
{
    (void)state;
    struct cert_word word = fresh_word();
    assert_judged_at(&word, word.renews_s - 1, NULL);
    assert_judged_at(&word, word.renews_s, "too old");
    assert_judged_at(&word, word.made_s, NULL);
    assert_judged_at(&word, word.made_s - HOUR_S, "future");
    word.renews_s = 0; /* it does not say */
    assert_judged(&word, NULL);
}

static void it_is_signed_by_the_issuer(void **state)
{
    (void)state;
    struct cert_word word = fresh_word();
    struct cert stranger = cert_new("stranger", NULL, 9, NULL);
    word.signer = &namesake;
    assert_judged(&word, "signature");
    word.signer = &stranger;
    assert_judged(&word, "signature");
    word.signer = &page; /* for itself: it was not named for that */
    assert_judged(&word, "signature");
    cert_free(&stranger);
}

static void or_by_whom_that_has_named_for_it(void **state)
{
    (void)state;
    static const struct {
        const struct cert *issuer;
        const char *usage;
        bool is_good;
    } cases[] = {{&authority, "OCSPSigning", true},
                 {&authority, NULL, false},
                 {&authority, "serverAuth,clientAuth", false},
                 {&namesake, "OCSPSigning", false},
                 {NULL, "OCSPSigning", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cert_word word = fresh_word();
        struct cert responder = cert_new("responder", "DNS:ocsp", 9, cases[i].issuer);
        if (cases[i].usage != NULL)
            cert_extend(&responder, NID_ext_key_usage, cases[i].usage, cases[i].issuer);
        word.signer = &responder;
        assert_judged(&word, cases[i].is_good ? NULL : "signature");
        cert_free(&responder);
    }
}

static void assert_bad(const unsigned char *bytes, size_t length)
{
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts facts;
    unsigned char *exact = malloc(length + (length == 0)); /* a byte beyond it is a fault */
    memcpy(exact, bytes, length);
    assert_false(staple_check(chain, chain_length, exact, length, now_s, &facts, reason));
    assert_true(reason[0] != '\0');
    free(exact);
    assert_int_equal(ERR_peek_error(), 0);
}

static void what_is_damaged_is_bad(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    static const char garbage[] = "\x30\x80\x0a\x01\x00";
    struct cert_word word = fresh_word();
    size_t length = cert_word_encode(&word, bytes, MOST);
    for (size_t cut = 0; cut < length; cut++)
        assert_bad(bytes, cut);
    bytes[length] = 0;
    assert_bad(bytes, length + 1);
    assert_bad((const unsigned char *)garbage, sizeof garbage - 1);
    assert_bad(chain, chain_length);
}

/* What the responder says instead of an answer. */
static void a_responder_that_fails_says_so(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts facts;
    unsigned char *at = bytes;
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
    int length = i2d_OCSP_RESPONSE(response, &at);
    OCSP_RESPONSE_free(response);
    assert_in_range(length, 1, MOST);
    assert_false(
        staple_check(chain, chain_length, bytes, (size_t)length, now_s, &facts, reason));
    assert_string_equal(reason, "trylater");
    assert_false(staple_look(bytes, (size_t)length, &facts));
    assert_int_equal(ERR_peek_error(), 0);
}

static void without_an_issuer_nothing_is_good(void **state)
{
    (void)state;
    static unsigned char bytes[MOST], alone[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts facts;
    struct cert_word word = fresh_word();
    size_t length = cert_word_encode(&word, bytes, MOST);
    size_t alone_length = cert_print(&page, alone, 0, MOST);
    assert_false(staple_check(alone, alone_length, bytes, length, now_s, &facts, reason));
    assert_non_null(strstr(reason, "issuer"));
    alone_length = cert_print(&namesake, alone, alone_length, MOST);
    assert_false(staple_check(alone, alone_length, bytes, length, now_s, &facts, reason));
}

/* ---- looking ---- */

static void the_times_of_any_word_are_told(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    struct staple_facts facts;
    struct cert_word word = fresh_word();
    word.signer = &namesake;
    word.status = V_OCSP_CERTSTATUS_REVOKED;
    word.made_s = now_s - 3 * HOUR_S;
    word.renews_s = now_s - 2 * HOUR_S;
    size_t length = cert_word_encode(&word, bytes, MOST);
    assert_true(staple_look(bytes, length, &facts));
    assert_int_equal(facts.made_s, word.made_s);
    assert_int_equal(facts.renews_s, word.renews_s);
    word.renews_s = 0;
    length = cert_word_encode(&word, bytes, MOST);
    assert_true(staple_look(bytes, length, &facts));
    assert_int_equal(facts.renews_s, INT64_MAX);
    assert_false(staple_look(bytes, length / 2, &facts));
    assert_false(staple_look(bytes, 0, &facts));
    assert_false(staple_look(chain, chain_length, &facts));
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_responder_is_asked_about_the_certificate),
        cmocka_unit_test(what_else_stands_there_is_passed_over),
        cmocka_unit_test(without_an_issuer_nobody_is_asked),
        cmocka_unit_test(without_a_responder_nobody_is_asked),
        cmocka_unit_test(the_first_by_http_is_asked),
        cmocka_unit_test(only_a_good_word_is_good),
        cmocka_unit_test(a_word_is_good_for_its_time),
        cmocka_unit_test(it_is_signed_by_the_issuer),
        cmocka_unit_test(or_by_whom_that_has_named_for_it),
        cmocka_unit_test(what_is_damaged_is_bad),
        cmocka_unit_test(a_responder_that_fails_says_so),
        cmocka_unit_test(without_an_issuer_nothing_is_good),
        cmocka_unit_test(the_times_of_any_word_are_told),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}

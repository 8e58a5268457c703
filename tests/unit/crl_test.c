/* SPDX-License-Identifier: MIT */
/* Promises of tls/crl: a list is whole, signed, in force and no older than the one before, or it is none. */
#include "tls/crl.h"

#include "cert_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 16384, HOUR_S = 3600 };

static int64_t now_s; /* some moment, the same for the whole test */

/* The authority of the lists, one of the same name with another key, one of another name. */
static struct cert authority, namesake, other, client;
static unsigned char ca[MOST];
static size_t ca_length;

static int make_certificates(void **state)
{
    (void)state;
    now_s = (int64_t)time(NULL);
    authority = cert_new("us", NULL, 9, NULL);
    namesake = cert_new("us", NULL, 9, NULL);
    other = cert_new("others", NULL, 9, NULL);
    client = cert_new("client", "DNS:client", 9, &authority);
    ca_length = cert_print(&authority, ca, 0, MOST);
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    cert_free(&authority);
    cert_free(&namesake);
    cert_free(&other);
    cert_free(&client);
    return 0;
}

/* Made an hour ago, to be renewed in an hour. */
static struct cert_list fresh_list(void)
{
    return (struct cert_list){.issuer = &authority,
                              .revoked = &client,
                              .made_s = now_s - HOUR_S,
                              .renews_s = now_s + HOUR_S};
}

/* ---- reading ---- */

static void assert_read(const unsigned char *bytes, size_t length, int64_t made_s,
                        int64_t renews_s)
{
    char reason[TLS_REASON_BYTES] = "";
    struct crl_facts facts;
    struct stack_st_X509_CRL *lists = crl_read(bytes, length, reason);
    if (lists == NULL)
        fail_msg("%s", reason);
    crl_look(lists, &facts);
    assert_int_equal(facts.made_s, made_s);
    assert_int_equal(facts.renews_s, renews_s);
    crl_free(lists);
    assert_int_equal(ERR_peek_error(), 0);
}

/* In memory of exactly its size, so that a step beyond is seen. */
static void assert_not_read(const unsigned char *bytes, size_t length, const char *says)
{
    char reason[TLS_REASON_BYTES] = "";
    unsigned char *exact = malloc(length + (length == 0));
    memcpy(exact, bytes, length);
    assert_null(crl_read(exact, length, reason));
    free(exact);
    if (strstr(reason, says) == NULL)
        fail_msg("not %s but %s", says, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void one_is_read_in_either_form(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    struct cert_list list = fresh_list();
    size_t length = cert_list_encode(&list, bytes, MOST);
    assert_read(bytes, length, list.made_s, list.renews_s);
    length = cert_list_print(&list, bytes, 0, MOST);
    assert_read(bytes, length, list.made_s, list.renews_s);
    assert_read(bytes, length - 1, list.made_s,
                list.renews_s); /* a last line without its end */
}

static void the_first_to_end_of_several_counts(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    const int64_t made_s[] = {-30, -10, -20}, renews_s[] = {300, 200, 100};
    size_t length = 0;
    for (size_t i = 0; i < 3; i++) {
        struct cert_list list = fresh_list();
        list.issuer = i == 1 ? &other : &authority;
        list.made_s = now_s + made_s[i];
        list.renews_s = now_s + renews_s[i];
        length = cert_list_print(&list, bytes, length, MOST);
        bytes[length++] = '\n';
    }
    assert_read(bytes, length, now_s - 10, now_s + 100);
}

static void one_that_never_ends_is_refused(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    struct cert_list endless = fresh_list(), list = fresh_list();
    endless.renews_s = 0;
    size_t length = cert_list_encode(&endless, bytes, MOST);
    assert_not_read(bytes, length, "nextUpdate");
    length = cert_list_print(&list, bytes, 0, MOST);
    length = cert_list_print(&endless, bytes, length, MOST);
    assert_not_read(bytes, length, "nextUpdate");
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "hello",
        "\x30\x80\x30\x80",
        "\x30\x84\xff\xff\xff\xff",
        "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_not_read((const unsigned char *)texts[i], strlen(texts[i]), "broken");
    assert_not_read(ca, ca_length, "no revocation list");
}

static void what_was_cut_is_refused(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    static const char begin[] = "-----BEGIN X509 CRL-----", end[] = "-----END X509 CRL-----";
    struct cert_list list = fresh_list();
    size_t length = cert_list_encode(&list, bytes, MOST);
    for (size_t cut = 0; cut < length; cut++)
        assert_not_read(bytes, cut, "broken");
    bytes[length] = 0;
    assert_not_read(bytes, length + 1, "broken");
    /* Of two in PEM the first is whole all the time. */
    size_t first = cert_list_print(&list, bytes, 0, MOST);
    length = cert_list_print(&list, bytes, first, MOST);
    for (size_t cut = first + sizeof begin; cut < length - sizeof end; cut++)
        assert_not_read(bytes, cut, "broken");
    bytes[(first + length) / 2] = '!';
    assert_not_read(bytes, length, "broken");
}

/* ---- judging ---- */

/* What is there, and what was fetched in its place. */
struct judged {
    struct cert_list list, before; /* before: without an issuer: none */
    const unsigned char *ca;
    size_t ca_length;
    int64_t now_s;
};

static struct judged fresh_case(void)
{
    return (struct judged){
        .list = fresh_list(), .ca = ca, .ca_length = ca_length, .now_s = now_s};
}

/* says: NULL: it must be good */
static void assert_judged(const struct judged *judged, const char *says)
{
    static unsigned char bytes[MOST], before[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct crl_facts facts;
    size_t length = cert_list_encode(&judged->list, bytes, MOST), before_length = 0;
    if (judged->before.issuer != NULL)
        before_length = cert_list_encode(&judged->before, before, MOST);
    bool is_good = crl_check(bytes, length, judged->ca, judged->ca_length, before,
                             before_length, judged->now_s, &facts, reason);
    assert_int_equal(ERR_peek_error(), 0);
    if (is_good != (says == NULL) || (says != NULL && strstr(reason, says) == NULL))
        fail_msg("%s, not %s but %s", is_good ? "good" : "bad", says, reason);
    if (!is_good)
        return;
    assert_int_equal(facts.made_s, judged->list.made_s);
    assert_int_equal(facts.renews_s, judged->list.renews_s);
}

static void its_signer_is_one_of_the_certificates(void **state)
{
    (void)state;
    static unsigned char both[MOST];
    struct judged judged = fresh_case();
    assert_judged(&judged, NULL);
    judged.list.issuer = &other;
    assert_judged(&judged, "signed by nobody");
    judged.list.issuer = &namesake;
    assert_judged(&judged, "signature");
    judged.ca_length = 0;
    assert_judged(&judged, "no certificate");
    judged.ca = both;
    judged.ca_length = cert_print(&authority, both, 0, MOST);
    judged.ca_length = cert_print(&namesake, both, judged.ca_length, MOST);
    judged.ca_length = cert_print(&other, both, judged.ca_length, MOST);
    assert_judged(&judged, NULL);
    judged.list.issuer = &other;
    assert_judged(&judged, NULL);
}

static void a_changed_byte_is_seen(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    char reason[TLS_REASON_BYTES];
    struct crl_facts facts;
    struct cert_list list = fresh_list();
    size_t length = cert_list_encode(&list, bytes, MOST);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        if (crl_check(bytes, length, ca, ca_length, NULL, 0, now_s, &facts, reason))
            fail_msg("byte %zu of %zu", i, length);
        bytes[i] ^= 1;
    }
    assert_true(crl_check(bytes, length, ca, ca_length, NULL, 0, now_s, &facts, reason));
}

static void it_is_in_force_now(void **state)
{
    (void)state;
    struct judged judged = fresh_case();
    judged.now_s = judged.list.renews_s - 1;
    assert_judged(&judged, NULL);
    judged.now_s = judged.list.renews_s;
    assert_judged(&judged, "too old");
    judged.now_s = judged.list.made_s;
    assert_judged(&judged, NULL);
    judged.now_s = judged.list.made_s - 1;
    assert_judged(&judged, "future");
}

static void it_is_no_older_than_what_is_there(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    char reason[TLS_REASON_BYTES];
    struct crl_facts facts;
    struct judged judged = fresh_case();
    judged.before = fresh_list();
    assert_judged(&judged, NULL);
    judged.before.made_s--;
    assert_judged(&judged, NULL);
    judged.before.made_s += 2;
    assert_judged(&judged, "older");
    /* What is there cannot be read: it holds nothing up. */
    size_t length = cert_list_encode(&judged.list, bytes, MOST);
    assert_true(
        crl_check(bytes, length, ca, ca_length, bytes, length - 1, now_s, &facts, reason));
}

static void each_of_several_is_judged(void **state)
{
    (void)state;
    static unsigned char bytes[MOST], both[MOST];
    char reason[TLS_REASON_BYTES];
    struct crl_facts facts;
    struct cert_list first = fresh_list(), second = fresh_list();
    second.issuer = &other;
    size_t both_length = cert_print(&authority, both, 0, MOST);
    both_length = cert_print(&other, both, both_length, MOST);
    for (int i = 0; i < 4; i++) {
        second.renews_s = i == 1 ? now_s : now_s + HOUR_S;
        second.made_s = i == 2 ? now_s + 1 : now_s - HOUR_S;
        size_t length = cert_list_print(&first, bytes, 0, MOST);
        length = cert_list_print(&second, bytes, length, MOST);
        bool is_good = crl_check(bytes, length, both, i == 3 ? ca_length : both_length, NULL, 0,
                                 now_s, &facts, reason);
        assert_int_equal(is_good, i == 0);
    }
}

/* Who is in the middle could else bring an old one back beside a new one of somebody else. */
static void none_of_several_is_older_than_its_own_before(void **state)
{
    (void)state;
    static unsigned char before[MOST], bytes[MOST], both[MOST];
    char reason[TLS_REASON_BYTES] = "";
    struct crl_facts facts;
    struct cert_list mine = fresh_list(), theirs = fresh_list();
    theirs.issuer = &other;
    size_t both_length = cert_print(&authority, both, 0, MOST);
    both_length = cert_print(&other, both, both_length, MOST);
    mine.made_s = now_s - 20;
    size_t before_length = cert_list_print(&mine, before, 0, MOST);
    before_length = cert_list_print(&theirs, before, before_length, MOST);
    theirs.made_s = now_s - 10;
    for (int i = 0; i < 2; i++) {
        mine.made_s = now_s - 20 - i;
        size_t length = cert_list_print(&theirs, bytes, 0, MOST);
        length = cert_list_print(&mine, bytes, length, MOST);
        assert_int_equal(crl_check(bytes, length, both, both_length, before, before_length,
                                   now_s, &facts, reason),
                         i == 0);
    }
    assert_non_null(strstr(reason, "older"));
}

/* ---- distribution points ---- */

struct urls {
    char at[8][256];
    size_t n;
};

static void note(void *context, const char *url)
{
    struct urls *urls = context;
    assert_in_range(urls->n, 0, 7);
    snprintf(urls->at[urls->n++], sizeof urls->at[0], "%s", url);
}

static DIST_POINT *add_point(CRL_DIST_POINTS *points)
{
    DIST_POINT *point = DIST_POINT_new();
    point->distpoint = DIST_POINT_NAME_new();
    point->distpoint->type = 0;
    point->distpoint->name.fullname = GENERAL_NAMES_new();
    sk_DIST_POINT_push(points, point);
    return point;
}

static void add_url(DIST_POINT *point, const char *url, size_t length)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, url, (int)length);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    sk_GENERAL_NAME_push(point->distpoint->name.fullname, name);
}

static void urls_by_http_are_told(void **state)
{
    (void)state;
    struct urls urls = {.n = 0};
    struct cert cert = cert_new("client", "DNS:client", 9, &authority);
    cert_extend(&cert, NID_crl_distribution_points,
                "URI:ldap://a.example/1,URI:http://a.example/2,URI:https://a.example/3,"
                "email:a@example,URI:HTTP://a.example/4,URI:http:/a.example/5",
                &authority);
    crl_find_points(cert.x509, note, &urls);
    assert_int_equal(urls.n, 2);
    assert_string_equal(urls.at[0], "http://a.example/2");
    assert_string_equal(urls.at[1], "HTTP://a.example/4");
    cert_free(&cert);
    urls.n = 0;
    crl_find_points(client.x509, note, &urls); /* has none */
    assert_int_equal(urls.n, 0);
}

static void all_points_are_looked_at(void **state)
{
    (void)state;
    struct urls urls = {.n = 0};
    struct cert cert = cert_new("client", "DNS:client", 9, &authority);
    CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();
    DIST_POINT *first = add_point(points);
    add_url(first, "http://a/1", 10);
    add_url(first, "http://a/2", 10);
    sk_DIST_POINT_push(points, DIST_POINT_new()); /* a point without a name */
    add_url(add_point(points), "http://a/3", 10);
    assert_int_equal(X509_add1_ext_i2d(cert.x509, NID_crl_distribution_points, points, 0, 0),
                     1);
    crl_find_points(cert.x509, note, &urls);
    assert_int_equal(urls.n, 3);
    assert_string_equal(urls.at[0], "http://a/1");
    assert_string_equal(urls.at[1], "http://a/2");
    assert_string_equal(urls.at[2], "http://a/3");
    CRL_DIST_POINTS_free(points);
    cert_free(&cert);
}

/* They stand in lines of a file and of HTTP. */
static void urls_with_control_bytes_are_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        size_t length;
    } cases[] = {
        {"http://a/1\n", 11},       {"http://a/\0002", 11}, {"http://a/\r\nHost: b", 18},
        {"http://a/ HTTP/1.0", 18}, {"http://a/\x7f", 10},  {"http://a/\xc3\xa4", 11},
        {"http://a/\x1b[31m", 14},  {"http://a/3\0", 11},   {"", 0}};
    struct urls urls = {.n = 0};
    struct cert cert = cert_new("client", "DNS:client", 9, &authority);
    CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();
    DIST_POINT *point = add_point(points);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        add_url(point, cases[i].url, cases[i].length);
    add_url(point, "http://a/~", 10);
    assert_int_equal(X509_add1_ext_i2d(cert.x509, NID_crl_distribution_points, points, 0, 0),
                     1);
    crl_find_points(cert.x509, note, &urls);
    assert_int_equal(urls.n, 1);
    assert_string_equal(urls.at[0], "http://a/~");
    CRL_DIST_POINTS_free(points);
    cert_free(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_read_in_either_form),
        cmocka_unit_test(the_first_to_end_of_several_counts),
        cmocka_unit_test(one_that_never_ends_is_refused),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(what_was_cut_is_refused),
        cmocka_unit_test(its_signer_is_one_of_the_certificates),
        cmocka_unit_test(a_changed_byte_is_seen),
        cmocka_unit_test(it_is_in_force_now),
        cmocka_unit_test(it_is_no_older_than_what_is_there),
        cmocka_unit_test(each_of_several_is_judged),
        cmocka_unit_test(none_of_several_is_older_than_its_own_before),
        cmocka_unit_test(urls_by_http_are_told),
        cmocka_unit_test(all_points_are_looked_at),
        cmocka_unit_test(urls_with_control_bytes_are_passed_over),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}

/* SPDX-License-Identifier: MIT */
/* Promises of tls/crl: which lists are good, when they end, which URLs certificates name. */
#include "tls/crl.h"

#include "cert_rig.h"

#include <stdio.h>
#include <time.h>

enum { MOST = 16384, HOUR_S = 3600 };

/* A list as bytes, in DER or PEM. */
struct list {
    unsigned char at[MOST];
    size_t length;
};

static void print_list(struct list *out, X509_CRL *crl, bool is_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    assert_int_equal(is_pem ? PEM_write_bio_X509_CRL(bio, crl) : i2d_X509_CRL_bio(bio, crl), 1);
    size_t n = (size_t)BIO_get_mem_data(bio, &bytes);
    assert_true(out->length + n <= MOST);
    memcpy(out->at + out->length, bytes, n);
    out->length += n;
    BIO_free(bio);
}

/* Adds one made at a time relative to now, to be renewed at another; renews_s 0: it does not say. */
static void add_list(struct list *out, const struct cert *issuer, long made_s, long renews_s,
                     bool is_pem)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *made = X509_gmtime_adj(NULL, made_s), *renews = X509_gmtime_adj(NULL, renews_s);
    assert_int_equal(X509_CRL_set_version(crl, 1), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, made), 1);
    if (renews_s != 0)
        assert_int_equal(X509_CRL_set1_nextUpdate(crl, renews), 1);
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    print_list(out, crl, is_pem);
    ASN1_TIME_free(made);
    ASN1_TIME_free(renews);
    X509_CRL_free(crl);
}

static void reads(void **state)
{
    (void)state;
    struct cert ca = cert_new("ca", NULL, 9, NULL);
    char reason[TLS_REASON_BYTES];
    struct crl_facts facts;
    for (int is_pem = 0; is_pem < 2; is_pem++) {
        struct list list = {.length = 0};
        add_list(&list, &ca, -10, HOUR_S, is_pem);
        if (is_pem)
            add_list(&list, &ca, -5, 2L * HOUR_S,
                     true); /* what ends first counts, and what was made last */
        struct stack_st_X509_CRL *all = crl_read(list.at, list.length, reason);
        assert_non_null(all);
        crl_look(all, &facts);
        int64_t now_s = (int64_t)time(NULL);
        assert_in_range(facts.renews_s - now_s + 5, HOUR_S, HOUR_S + 10);
        assert_in_range(facts.made_s - now_s + 100, is_pem ? 90 : 85, is_pem ? 96 : 91);
        crl_free(all);
    }
    cert_free(&ca);
}

static void expect_none(const unsigned char *bytes, size_t length, const char *word)
{
    char reason[TLS_REASON_BYTES] = "";
    assert_null(crl_read(bytes, length, reason));
    if (strstr(reason, word) == NULL)
        fail_msg("%s: no %s in it", reason, word);
    assert_int_equal(ERR_peek_error(), 0);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    struct cert ca = cert_new("ca", NULL, 9, NULL);
    struct list der = {.length = 0}, pem = {.length = 0}, endless = {.length = 0};
    unsigned char certificate[MOST];
    add_list(&der, &ca, -10, HOUR_S, false);
    add_list(&pem, &ca, -10, HOUR_S, true);
    add_list(&endless, &ca, -10, 0, false);
    expect_none((const unsigned char *)"", 0, "broken");
    expect_none((const unsigned char *)"garbage", 7, "broken");
    for (size_t n = 1; n < der.length; n++)
        expect_none(der.at, n, "broken");
    der.at[der.length] = 0;
    expect_none(der.at, der.length + 1, "broken"); /* something behind it */
    expect_none(pem.at, pem.length - 10, "broken");
    expect_none(certificate, cert_print(&ca, certificate, 0, MOST), "broken");
    expect_none(endless.at, endless.length, "nextUpdate");
    memcpy(pem.at + pem.length, "-----BEGIN X509 CRL-----\nx\n",
           27); /* a broken one behind a good one */
    expect_none(pem.at, pem.length + 27, "broken");
    cert_free(&ca);
}

static void judges(void **state)
{
    (void)state;
    struct cert ca = cert_new("ca", NULL, 9, NULL), rogue = cert_new("ca", NULL, 9, NULL),
                other = cert_new("other", NULL, 9, NULL);
    unsigned char authorities[MOST];
    size_t length = cert_print(&other, authorities, 0, MOST);
    length = cert_print(&ca, authorities, length, MOST);
    const struct {
        const struct cert *by;
        long made_s, renews_s;
        const char *word; /* NULL: it is good */
    } cases[] = {
        {&ca, -100, HOUR_S, NULL},           {&other, -100, HOUR_S, NULL},
        {&rogue, -100, HOUR_S, "signature"}, {&ca, -100, -50, "too old"},
        {&ca, 1000, HOUR_S, "future"},       {&ca, -300, HOUR_S, "older"},
    };
    struct list before = {.length = 0};
    add_list(&before, &ca, -200, HOUR_S, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list list = {.length = 0};
        struct crl_facts facts = {0};
        char reason[TLS_REASON_BYTES] = "";
        add_list(&list, cases[i].by, cases[i].made_s, cases[i].renews_s, false);
        bool is_good = crl_check(list.at, list.length, authorities, length, before.at,
                                 before.length, (int64_t)time(NULL), &facts, reason);
        if (is_good != (cases[i].word == NULL))
            fail_msg("case %zu: %s", i, reason);
        if (!is_good && strstr(reason, cases[i].word) == NULL)
            fail_msg("case %zu: %s: no %s in it", i, reason, cases[i].word);
        assert_int_equal(ERR_peek_error(), 0);
    }
    struct list nobodys = {.length = 0};
    struct crl_facts facts;
    char reason[TLS_REASON_BYTES];
    struct cert stranger = cert_new("stranger", NULL, 9, NULL);
    add_list(&nobodys, &stranger, -10, HOUR_S, false);
    assert_false(crl_check(nobodys.at, nobodys.length, authorities, length, NULL, 0,
                           (int64_t)time(NULL), &facts, reason));
    assert_non_null(strstr(reason, "client_ca"));
    cert_free(&stranger);
    cert_free(&ca);
    cert_free(&rogue);
    cert_free(&other);
}

struct told {
    char urls[8][256];
    size_t n;
};

static void note(void *context, const char *url)
{
    struct told *told = context;
    assert_in_range(told->n, 0, 7);
    snprintf(told->urls[told->n++], sizeof told->urls[0], "%s", url);
}

static void finds_points(void **state)
{
    (void)state;
    struct cert ca = cert_new("ca", NULL, 9, NULL), plain = cert_new("a", "DNS:a", 9, &ca),
                many = cert_new("b", "DNS:b", 9, &ca);
    struct told told = {.n = 0};
    cert_add_extension(many.x509, NID_crl_distribution_points,
                       "URI:http://one/list,URI:ldap://two/list,URI:https://three/list,"
                       "URI:HTTP://four/list,URI:http://fi ve/list");
    crl_find_points(plain.x509, note, &told);
    assert_int_equal(told.n, 0);
    crl_find_points(many.x509, note, &told);
    assert_int_equal(told.n, 2);
    assert_string_equal(told.urls[0], "http://one/list");
    assert_string_equal(told.urls[1], "HTTP://four/list");
    cert_free(&ca);
    cert_free(&plain);
    cert_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(judges),
        cmocka_unit_test(finds_points),
    };
    return cmocka_run_group_tests_name("crl", tests, NULL, NULL);
}

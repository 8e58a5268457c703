/* SPDX-License-Identifier: MIT */
/* Promises of tls/staple: who is asked what, which answers are good. */
#include "tls/staple.h"

#include "cert_rig.h"

#include <time.h>

#include <openssl/ocsp.h>

enum { MOST = 16384, HOUR_S = 3600 };

struct scene {
    struct cert ca, leaf, other;
    unsigned char chain[MOST]; /* leaf and ca */
    size_t length;
};

static void open_scene(struct scene *scene)
{
    scene->ca = cert_new("ca", NULL, 9, NULL);
    scene->leaf = cert_new("leaf", "DNS:leaf", 9, &scene->ca);
    scene->other = cert_new("other", "DNS:other", 9, &scene->ca);
    cert_add_extension(scene->leaf.x509, NID_info_access,
                       "OCSP;URI:ldap://a,OCSP;URI:http://ocsp.example:80/x");
    assert_true(X509_sign(scene->leaf.x509, scene->ca.key, EVP_sha256()) > 0);
    scene->length = cert_print(&scene->leaf, scene->chain, 0, MOST);
    scene->length = cert_print(&scene->ca, scene->chain, scene->length, MOST);
}

static void close_scene(struct scene *scene)
{
    cert_free(&scene->ca);
    cert_free(&scene->leaf);
    cert_free(&scene->other);
    assert_int_equal(ERR_peek_error(), 0);
}

/* What a responder would say, in DER. */
struct answer {
    const struct cert *about, *issuer, *signer;
    int status;
    long made_s, renews_s; /* relative to now; 0: it does not say */
};

static size_t print_answer(const struct answer *answer, unsigned char out[MOST])
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, answer->about->x509, answer->issuer->x509);
    ASN1_TIME *made = X509_gmtime_adj(NULL, answer->made_s),
              *renews = answer->renews_s != 0 ? X509_gmtime_adj(NULL, answer->renews_s) : NULL;
    assert_non_null(OCSP_basic_add1_status(
        basic, id, answer->status, OCSP_REVOKED_STATUS_NOSTATUS,
        answer->status == V_OCSP_CERTSTATUS_REVOKED ? made : NULL, made, renews));
    assert_int_equal(OCSP_basic_sign(basic, answer->signer->x509, answer->signer->key,
                                     EVP_sha256(), NULL, 0),
                     1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *at = out;
    assert_in_range(i2d_OCSP_RESPONSE(response, NULL), 1, MOST);
    int length = i2d_OCSP_RESPONSE(response, &at);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(made);
    ASN1_TIME_free(renews);
    return (size_t)length;
}

static void asks(void **state)
{
    (void)state;
    struct scene scene;
    struct staple_query query;
    char reason[TLS_REASON_BYTES];
    open_scene(&scene);
    assert_true(staple_ask(scene.chain, scene.length, &query, reason));
    assert_string_equal(query.url, "http://ocsp.example:80/x");
    const unsigned char *at = query.bytes;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &at, (long)query.length);
    assert_non_null(request);
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, scene.leaf.x509, scene.ca.x509);
    assert_int_equal(OCSP_id_cmp(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0)), id),
                     0);
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    staple_query_fini(&query);

    size_t length = cert_print(&scene.leaf, scene.chain, 0, MOST); /* without the issuer */
    assert_false(staple_ask(scene.chain, length, &query, reason));
    assert_non_null(strstr(reason, "issuer"));
    length = cert_print(&scene.other, scene.chain, 0, MOST); /* names no responder */
    length = cert_print(&scene.ca, scene.chain, length, MOST);
    assert_false(staple_ask(scene.chain, length, &query, reason));
    assert_non_null(strstr(reason, "no OCSP responder"));
    assert_false(staple_ask((const unsigned char *)"x", 1, &query, reason));
    close_scene(&scene);
}

static void judges(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    struct cert rogue = cert_new("ca", NULL, 9, NULL),
                named = cert_new("responder", "DNS:r", 9, &scene.ca);
    cert_add_extension(named.x509, NID_ext_key_usage, "OCSPSigning");
    assert_true(X509_sign(named.x509, scene.ca.key, EVP_sha256()) > 0);
    const struct {
        struct answer answer;
        const char *word; /* NULL: it is good */
    } cases[] = {
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD, -100, HOUR_S}, NULL},
        {{&scene.leaf, &scene.ca, &named, V_OCSP_CERTSTATUS_GOOD, -100, HOUR_S}, NULL},
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD, -100, 0}, NULL},
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_REVOKED, -100, HOUR_S},
         "revoked"},
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_UNKNOWN, -100, HOUR_S},
         "does not know"},
        {{&scene.other, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD, -100, HOUR_S},
         "another certificate"},
        {{&scene.leaf, &scene.ca, &rogue, V_OCSP_CERTSTATUS_GOOD, -100, HOUR_S}, "signature"},
        {{&scene.leaf, &scene.ca, &scene.other, V_OCSP_CERTSTATUS_GOOD, -100, HOUR_S},
         "signature"},
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD, -100, -50}, "too old"},
        {{&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD, HOUR_S, 2 * HOUR_S},
         "future"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[MOST];
        char reason[TLS_REASON_BYTES] = "";
        struct staple_facts facts = {0}, looked = {0};
        int64_t now_s = (int64_t)time(NULL);
        size_t length = print_answer(&cases[i].answer, bytes);
        bool is_good =
            staple_check(scene.chain, scene.length, bytes, length, now_s, &facts, reason);
        if (is_good != (cases[i].word == NULL) ||
            (!is_good && strstr(reason, cases[i].word) == NULL))
            fail_msg("case %zu: %s", i, reason);
        assert_true(staple_look(bytes, length, &looked));
        if (cases[i].answer.renews_s == 0)
            assert_true(looked.renews_s == INT64_MAX);
        else
            assert_in_range(looked.renews_s - now_s - cases[i].answer.renews_s + 5, 0, 10);
        assert_int_equal(ERR_peek_error(), 0);
    }
    cert_free(&rogue);
    cert_free(&named);
    close_scene(&scene);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    struct scene scene;
    unsigned char bytes[MOST];
    char reason[TLS_REASON_BYTES];
    struct staple_facts facts;
    open_scene(&scene);
    const struct answer answer = {&scene.leaf, &scene.ca, &scene.ca, V_OCSP_CERTSTATUS_GOOD,
                                  -100,        HOUR_S};
    size_t length = print_answer(&answer, bytes);
    int64_t now_s = (int64_t)time(NULL);
    for (size_t n = 0; n < length; n++)
        assert_false(staple_check(scene.chain, scene.length, bytes, n, now_s, &facts, reason));
    bytes[length] = 0;
    assert_false(
        staple_check(scene.chain, scene.length, bytes, length + 1, now_s, &facts, reason));
    OCSP_RESPONSE *later = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
    unsigned char *at = bytes;
    length = (size_t)i2d_OCSP_RESPONSE(later, &at);
    assert_false(staple_check(scene.chain, scene.length, bytes, length, now_s, &facts, reason));
    assert_non_null(strstr(reason, "trylater"));
    assert_false(staple_look(bytes, length, &facts));
    OCSP_RESPONSE_free(later);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks),
        cmocka_unit_test(judges),
        cmocka_unit_test(refuses_what_is_none),
    };
    return cmocka_run_group_tests_name("staple", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Promises of tls/query: who is asked about, under which key, and that the director finds the same. */
#include "tls/query.h"

#include "cert_rig.h"

#define URL "http://ocsp.example/"

/* root has signed between and direct, between has signed client; namesake has root's name, but another key. */
static struct cert root, between, client, direct, namesake;

static int make_all(void **state)
{
    (void)state;
    root = cert_new("root", NULL, 9, NULL);
    namesake = cert_new("root", NULL, 9, NULL);
    between = cert_new("between", NULL, 9, &root);
    client = cert_new("client", "DNS:client", 9, &between);
    direct = cert_new("direct", "DNS:direct", 9, &root);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    struct cert *const all[] = {&root, &namesake, &between, &client, &direct};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cert_free(all[i]);
    return 0;
}

/* The caller's; the certificates stay ours. */
static STACK_OF(X509) * stack_of(const struct cert *const *all, size_t n)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; i < n; i++)
        assert_true(sk_X509_push(stack, all[i]->x509) > 0);
    return stack;
}

#define STACK(...)                                                                             \
    stack_of((const struct cert *const[]){__VA_ARGS__},                                        \
             sizeof((const struct cert *const[]){__VA_ARGS__}) / sizeof(struct cert *))

static void all_below_the_trusted_are_asked_about(void **state)
{
    (void)state;
    struct query queries[QUERIES_MOST];
    STACK_OF(X509) *trusted = STACK(&root), *both = STACK(&between, &root);
    STACK_OF(X509) *chain = STACK(&client, &between, &root), *cut = STACK(&client, &between);
    STACK_OF(X509) *alone = STACK(&root);
    const struct query_terms terms = {.trusted = trusted, .url = ""};
    const struct query_terms more = {.trusted = both, .url = ""};
    assert_int_equal(query_chain(&terms, chain, queries), 2);
    assert_ptr_equal(queries[0].certificate, client.x509);
    assert_ptr_equal(queries[0].issuer, between.x509);
    assert_ptr_equal(queries[1].certificate, between.x509);
    assert_ptr_equal(queries[1].issuer, root.x509);
    assert_int_equal(query_chain(&more, chain, queries), 1);
    assert_int_equal(query_chain(&terms, alone, queries), 0);
    assert_int_equal(query_chain(&terms, cut, queries), -1); /* it ends nowhere */
    sk_X509_free(trusted);
    sk_X509_free(both);
    sk_X509_free(chain);
    sk_X509_free(cut);
    sk_X509_free(alone);
}

static void without_a_chain_the_issuer_must_be_trusted(void **state)
{
    (void)state;
    struct query query, queries[QUERIES_MOST];
    STACK_OF(X509) *trusted = STACK(&namesake, &root), *false_friend = STACK(&namesake);
    STACK_OF(X509) *chain = STACK(&direct, &root);
    const struct query_terms terms = {.trusted = trusted, .url = ""};
    const struct query_terms of_namesake = {.trusted = false_friend, .url = ""};
    assert_int_equal(query_alone(&terms, direct.x509, &query), 1);
    assert_ptr_equal(query.issuer, root.x509); /* not who has its name alone */
    assert_int_equal(query_chain(&terms, chain, queries), 1);
    assert_memory_equal(query.key, queries[0].key, sizeof query.key); /* asked about once */
    assert_int_equal(query_alone(&terms, client.x509, &query), -1);
    assert_int_equal(query_alone(&of_namesake, direct.x509, &query), -1);
    assert_int_equal(query_alone(&terms, root.x509, &query), 0);
    sk_X509_free(trusted);
    sk_X509_free(false_friend);
    sk_X509_free(chain);
}

static void the_director_finds_the_same_key(void **state)
{
    (void)state;
    STACK_OF(X509) *trusted = STACK(&root);
    const char *const urls[] = {"", URL, URL "x"};
    unsigned char keys[4][STANDING_KEY_BYTES], read[STANDING_KEY_BYTES];
    for (size_t i = 0; i < 4; i++) {
        const struct query_terms terms = {.trusted = trusted, .url = urls[i % 3]};
        struct query query;
        struct text printed = {0};
        assert_int_equal(query_alone(&terms, i < 3 ? direct.x509 : between.x509, &query), 1);
        assert_true(query_print(&query, &printed));
        assert_true(query_read(urls[i % 3], printed.at, printed.length, read));
        assert_memory_equal(read, query.key, sizeof read);
        memcpy(keys[i], read, sizeof read);
        for (size_t before = 0; before < i; before++)
            assert_memory_not_equal(keys[before], keys[i], sizeof read);
        assert_false(query_read("", printed.at, printed.length - 40, read)); /* cut */
        assert_true(query_print(&query, &printed));
        assert_false(query_read("", printed.at, printed.length, read)); /* four of them */
        text_fini(&printed);
    }
    assert_false(query_read("", "nonsense", 8, read));
    sk_X509_free(trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_below_the_trusted_are_asked_about),
        cmocka_unit_test(without_a_chain_the_issuer_must_be_trusted),
        cmocka_unit_test(the_director_finds_the_same_key),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}

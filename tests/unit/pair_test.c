/* SPDX-License-Identifier: MIT */
/* Promises of tls/pair: what can be shown to clients is told from what cannot. */
#include "tls/pair.h"

#include "cert_rig.h"

enum { MOST = 16384 };

struct texts {
    unsigned char chain[MOST], key[MOST];
    struct tls_pair pair;
};

static size_t print_key(const struct cert *cert, unsigned char *out, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    int length = passphrase != NULL ? (int)strlen(passphrase) : 0;
    assert_int_equal(
        PEM_write_bio_PrivateKey(bio, cert->key, passphrase != NULL ? EVP_aes_128_cbc() : NULL,
                                 (const unsigned char *)passphrase, length, NULL, NULL),
        1);
    size_t n = (size_t)BIO_get_mem_data(bio, &bytes);
    assert_in_range(n, 1, MOST);
    memcpy(out, bytes, n);
    BIO_free(bio);
    return n;
}

static void fill(struct texts *texts, const struct cert *cert, const struct cert *keys)
{
    *texts = (struct texts){0};
    texts->pair = (struct tls_pair){.chain = texts->chain, .key = texts->key};
    texts->pair.chain_length = cert_print(cert, texts->chain, 0, MOST);
    texts->pair.key_length = print_key(keys, texts->key, NULL);
}

static void assert_bad(const struct texts *texts, const char *says)
{
    char reason[TLS_REASON_BYTES] = "";
    bool is_expired;
    assert_false(tls_pair_check(&texts->pair, &is_expired, reason));
    if (strstr(reason, says) == NULL)
        fail_msg("not %s but %s", says, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_pair_is_fine_apart_or_in_one_text(void **state)
{
    (void)state;
    static struct texts texts;
    char reason[TLS_REASON_BYTES];
    bool is_expired = true;
    struct cert issuer = cert_new("us", NULL, 9, NULL);
    struct cert cert = cert_new("page", "DNS:page.example", 9, &issuer);
    fill(&texts, &cert, &cert);
    assert_true(tls_pair_check(&texts.pair, &is_expired, reason));
    assert_false(is_expired);
    texts.pair.chain_length = cert_print(&issuer, texts.chain, texts.pair.chain_length, MOST);
    memcpy(texts.chain + texts.pair.chain_length, texts.key, texts.pair.key_length);
    texts.pair.chain_length += texts.pair.key_length;
    texts.pair.key = texts.pair.chain;
    texts.pair.key_length = texts.pair.chain_length;
    assert_true(tls_pair_check(&texts.pair, &is_expired, reason));
    cert_free(&cert);
    cert_free(&issuer);
}

static void an_expired_one_can_be_shown(void **state)
{
    (void)state;
    static struct texts texts;
    char reason[TLS_REASON_BYTES];
    bool is_expired = false;
    struct cert cert = cert_new("page", "DNS:page.example", 0, NULL);
    fill(&texts, &cert, &cert);
    assert_true(tls_pair_check(&texts.pair, &is_expired, reason));
    assert_true(is_expired);
    cert_free(&cert);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    static struct texts texts;
    struct cert cert = cert_new("page", "DNS:page.example", 9, NULL);
    struct cert other = cert_new("page", "DNS:page.example", 9, NULL);
    fill(&texts, &cert, &other);
    assert_bad(&texts, "is not that of the certificate");
    fill(&texts, &cert, &cert);
    texts.pair.chain_length = 0;
    assert_bad(&texts, "no certificate");
    fill(&texts, &cert, &cert);
    texts.chain[texts.pair.chain_length / 2] = '!';
    assert_bad(&texts, "no certificate in PEM, or a broken one");
    fill(&texts, &cert, &cert);
    size_t whole = texts.pair.chain_length;
    texts.pair.chain_length = cert_print(&other, texts.chain, whole, MOST);
    texts.chain[(whole + texts.pair.chain_length) / 2] = '!';
    assert_bad(&texts, "a broken one");
    fill(&texts, &cert, &cert);
    texts.key[texts.pair.key_length / 2] = '!';
    assert_bad(&texts, "the private key is broken");
    fill(&texts, &cert, &cert);
    texts.pair.key_length = 0;
    assert_bad(&texts, "the private key is broken");
    fill(&texts, &cert, &cert);
    texts.pair.key_length = print_key(&cert, texts.key, "secret");
    assert_bad(&texts, "is encrypted");
    cert_free(&other);
    cert_free(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_fine_apart_or_in_one_text),
        cmocka_unit_test(an_expired_one_can_be_shown),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

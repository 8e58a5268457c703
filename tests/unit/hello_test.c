/* SPDX-License-Identifier: MIT */
/* The ClientHello look-ahead: real ones of OpenSSL at every split, made ones that are none. */
#include "tls/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

struct bytes {
    unsigned char at[70000];
    size_t length;
};

static unsigned char room[HELLO_MOST_BYTES];

/* In memory of exactly its length, so that reading beyond is seen. */
static enum hello_verdict look(const unsigned char *at, size_t length, struct hello *out)
{
    unsigned char *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, at, length);
    enum hello_verdict verdict = hello_look(exact, length, room, out);
    free(exact);
    return verdict;
}

/* What OpenSSL's client says first. */
static void make_real(struct bytes *out, const char *name, const char *alpn, int most_version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *written = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, written);
    SSL_set_connect_state(ssl);
    if (name != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
    if (alpn != NULL)
        assert_int_equal(
            SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned int)strlen(alpn)),
            0);
    if (most_version != 0)
        SSL_set_max_proto_version(ssl, most_version);
    SSL_do_handshake(ssl);
    out->length = (size_t)BIO_read(written, out->at, sizeof out->at);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* The same message in records of at most so many bytes. */
static void split_records(struct bytes *out, const struct bytes *whole, size_t most)
{
    const unsigned char *message = whole->at + 5;
    size_t left = whole->length - 5;
    out->length = 0;
    while (left > 0) {
        size_t n = left < most ? left : most;
        const unsigned char head[] = {22, 3, 1, (unsigned char)(n >> 8), (unsigned char)n};
        memcpy(out->at + out->length, head, sizeof head);
        memcpy(out->at + out->length + sizeof head, message, n);
        out->length += sizeof head + n;
        message += n;
        left -= n;
    }
}

static void real_ones_at_every_split(void **state)
{
    (void)state;
    static struct bytes whole, records;
    struct hello hello;
    const int versions[] = {0, TLS1_2_VERSION};
    for (size_t v = 0; v < 2; v++) {
        make_real(&whole, "WWW.Example.ORG", "\x02h2\x08http/1.1", versions[v]);
        for (size_t n = 0; n < whole.length; n++)
            assert_int_equal(look(whole.at, n, &hello), HELLO_MORE);
        assert_int_equal(look(whole.at, whole.length, &hello), HELLO_DONE);
        assert_string_equal(hello.name, "www.example.org");
        assert_true(hello_offers(&hello, "h2") && hello_offers(&hello, "http/1.1"));
        assert_false(hello_offers(&hello, "h") || hello_offers(&hello, "h3") ||
                     hello_offers(&hello, ""));
        for (size_t most = 1; most < 100; most += 7) {
            split_records(&records, &whole, most);
            for (size_t n = 0; n < records.length; n += 3)
                assert_int_equal(look(records.at, n, &hello), HELLO_MORE);
            assert_int_equal(look(records.at, records.length, &hello), HELLO_DONE);
            assert_string_equal(hello.name, "www.example.org");
        }
    }
    make_real(&whole, NULL, NULL, 0);
    assert_int_equal(look(whole.at, whole.length, &hello), HELLO_DONE);
    assert_string_equal(hello.name, "");
    assert_false(hello_offers(&hello, "h2"));
}

/* A message with these extensions. */
static void make(struct bytes *out, const void *extensions, size_t length)
{
    unsigned char *at = out->at + 9;
    memset(at, 0, 34);
    at[0] = at[1] = 3;
    static const unsigned char rest[] = {0, 0, 2, 0x13, 0x01, 1, 0};
    memcpy(at + 34, rest, sizeof rest);
    at += 34 + sizeof rest;
    *at++ = (unsigned char)(length >> 8);
    *at++ = (unsigned char)length;
    memcpy(at, extensions, length);
    size_t body = (size_t)(at + length - (out->at + 9));
    const unsigned char head[] = {22,
                                  3,
                                  1,
                                  (unsigned char)((body + 4) >> 8),
                                  (unsigned char)(body + 4),
                                  1,
                                  0,
                                  (unsigned char)(body >> 8),
                                  (unsigned char)body};
    memcpy(out->at, head, sizeof head);
    out->length = body + sizeof head;
}

static enum hello_verdict with(const void *extensions, size_t length, struct hello *hello)
{
    static struct bytes made;
    make(&made, extensions, length);
    return look(made.at, made.length, hello);
}
#define WITH(text) with(text, sizeof(text) - 1, &hello)

static void names_that_are_none(void **state)
{
    (void)state;
    struct hello hello;
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x03"
                          "a.b"),
                     HELLO_DONE);
    assert_string_equal(hello.name, "a.b");
    assert_int_equal(WITH("\0\0\0\x09\0\x07\0\0\x04"
                          "a.b."),
                     HELLO_DONE);
    assert_string_equal(hello.name, "a.b");
    assert_int_equal(WITH("\0\0\0\x02\0\0"), HELLO_BAD);         /* an empty list */
    assert_int_equal(WITH("\0\0\0\0"), HELLO_BAD);               /* no list */
    assert_int_equal(WITH("\0\0\0\x05\0\x03\0\0\0"), HELLO_BAD); /* an empty name */
    assert_int_equal(WITH("\0\0\0\x08\0\x06\1\0\x03"
                          "a.b"),
                     HELLO_BAD); /* another type */
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x04"
                          "a.b"),
                     HELLO_BAD); /* longer than there is */
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x02"
                          "a.b"),
                     HELLO_BAD); /* shorter */
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x03"
                          "a\0b"),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x03"
                          "a b"),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x06\0\x04\0\0\x01"
                          "."),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x03"
                          ".ab"),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x0c\0\x0a\0\0\x07"
                          "1.2.3.4"),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x07\0\x05\0\0\x02"
                          "\xc3\xa4"),
                     HELLO_BAD);
    assert_int_equal(WITH("\0\0\0\x0c\0\x0a\0\0\x03"
                          "a.b"
                          "\0\0\x01"
                          "c"),
                     HELLO_BAD); /* two names */
    assert_int_equal(WITH("\0\0\0\x08\0\x06\0\0\x03"
                          "a.b"
                          "\0\0\0\x08\0\x06\0\0\x03"
                          "a.b"),
                     HELLO_BAD); /* twice */
    unsigned char long_one[9 + 256] = {0, 0, 1, 5, 1, 3, 0, 1, 0};
    memset(long_one + 9, 'a', 256);
    assert_int_equal(with(long_one, sizeof long_one, &hello), HELLO_BAD);
}

static void protocols_that_are_none(void **state)
{
    (void)state;
    struct hello hello;
    assert_int_equal(WITH("\0\x10\0\x05\0\x03\x02h2"), HELLO_DONE);
    assert_true(hello_offers(&hello, "h2"));
    assert_int_equal(WITH("\0\x10\0\x02\0\0"), HELLO_BAD);
    assert_int_equal(WITH("\0\x10\0\x03\0\x01\0"), HELLO_BAD);
    assert_int_equal(WITH("\0\x10\0\x05\0\x03\x03h2"), HELLO_BAD);
    assert_int_equal(WITH("\0\x10\0\x05\0\x03\x02h2\0\x10\0\x05\0\x03\x02h2"), HELLO_BAD);
    assert_int_equal(WITH("\xfe\x0d\0\x01x"),
                     HELLO_DONE); /* what is not known is passed over */
    assert_int_equal(WITH("\xfe\x0d\0\x02x"), HELLO_BAD);
}

static void what_is_no_tls(void **state)
{
    (void)state;
    struct hello hello;
    assert_int_equal(look((const unsigned char *)"GET /", 5, &hello), HELLO_NONE);
    assert_int_equal(look((const unsigned char *)"\x80\x2e\x01\x03\x01", 5, &hello),
                     HELLO_NONE);
    assert_int_equal(look((const unsigned char *)"\x16\x02", 2, &hello), HELLO_NONE);
    assert_int_equal(look((const unsigned char *)"\x16\x03\x01\0\0", 5, &hello), HELLO_BAD);
    assert_int_equal(look((const unsigned char *)"\x16\x03\x01\xff\xff", 5, &hello), HELLO_BAD);
    assert_int_equal(look((const unsigned char *)"\x16\x03\x01\0\x04\x02\0\0\0", 9, &hello),
                     HELLO_BAD);
    assert_int_equal(
        look((const unsigned char *)"\x16\x03\x01\0\x04\x01\xff\xff\xff", 9, &hello),
        HELLO_BAD); /* longer than any */
    assert_int_equal(
        look((const unsigned char *)"\x16\x03\x01\0\x01\x01\x15\x03\x01\0\x02\x01\0", 13,
             &hello),
        HELLO_BAD); /* an alert in between */
}

static void a_message_may_be_long(void **state)
{
    (void)state;
    static struct bytes made, records;
    static unsigned char extensions[17000] = {0, 0, 0, 8, 0, 6, 0, 0, 3, 'a', '.', 'b', 0, 21};
    struct hello hello;
    const size_t padding = 16000;
    extensions[14] = (unsigned char)(padding >> 8);
    extensions[15] = (unsigned char)padding;
    make(&made, extensions, 16 + padding);
    split_records(&records, &made, 1000);
    assert_int_equal(look(records.at, records.length, &hello), HELLO_DONE);
    assert_string_equal(hello.name, "a.b");
    const size_t more = 16400;
    extensions[14] = (unsigned char)(more >> 8);
    extensions[15] = (unsigned char)more;
    make(&made, extensions, 16 + more);
    split_records(&records, &made, 1000);
    assert_int_equal(look(records.at, records.length, &hello), HELLO_BAD);
}

static void patterns(void **state)
{
    (void)state;
    assert_true(hello_matches("a.example", "a.example"));
    assert_false(hello_matches("a.example", "b.example"));
    assert_true(hello_matches("*.example", "b.example"));
    assert_false(hello_matches("*.example", "example"));
    assert_false(hello_matches("*.example", "a.b.example"));
    assert_false(hello_matches("*.example", ".example"));
    assert_false(hello_matches("*.example", "aexample"));
    assert_false(hello_matches("*.example", ""));
    assert_false(hello_matches("example", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_ones_at_every_split), cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(protocols_that_are_none),  cmocka_unit_test(what_is_no_tls),
        cmocka_unit_test(a_message_may_be_long),    cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

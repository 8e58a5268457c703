/* SPDX-License-Identifier: MIT */
/* The PROXY protocol: what is a header, what is none, at the first byte that tells; what is written reads back. */
#include "net/proxyproto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V1_TCP4 "PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n"
#define V1_TCP6 "PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n"

/* Bytes in memory of exactly their length, so that reading beyond is seen. */
static enum proxyproto_verdict parse(const void *bytes, size_t length, struct proxy_header *out)
{
    unsigned char *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, bytes, length);
    enum proxyproto_verdict verdict = proxyproto_parse(exact, length, out);
    out->tlvs = NULL; /* they lay there */
    free(exact);
    return verdict;
}

static const char *shown(const struct addr *address)
{
    static char texts[2][ADDR_TEXT_BYTES];
    static int n;
    return address->any.sa_family == AF_UNSPEC ? "none" : addr_print(texts[n++ % 2], address);
}

/* A header is complete with its last byte, at no byte before; what comes behind is not looked at. */
static void assert_header(const void *bytes, size_t length, const char *source,
                          const char *target)
{
    struct proxy_header header;
    unsigned char more[8192];
    for (size_t n = 0; n < length; n++)
        assert_int_equal(parse(bytes, n, &header), PROXYPROTO_MORE);
    assert_int_equal(parse(bytes, length, &header), PROXYPROTO_COMPLETE);
    assert_int_equal(header.length, length);
    assert_string_equal(shown(&header.source), source);
    assert_string_equal(shown(&header.target), target);
    memcpy(more, bytes, length);
    memcpy(more + length, "PROXY\0\x16", 7);
    assert_int_equal(parse(more, length + 7, &header), PROXYPROTO_COMPLETE);
    assert_int_equal(header.length, length);
}

/* It is none, whatever comes, at the latest with its last byte; returns at which it was told. */
static size_t assert_none(const void *bytes, size_t length)
{
    struct proxy_header header;
    for (size_t n = 0; n <= length; n++) {
        enum proxyproto_verdict verdict = parse(bytes, n, &header);
        assert_int_not_equal(verdict, PROXYPROTO_COMPLETE);
        if (verdict == PROXYPROTO_INVALID) {
            assert_non_null(header.reason);
            return n;
        }
    }
    fail_msg("taken for the beginning of a header: %.*s", (int)length, (const char *)bytes);
    return 0;
}
#define NONE(text) assert_none(text, sizeof(text) - 1)
#define HEADER(text, source, target) assert_header(text, sizeof(text) - 1, source, target)

static void version_1(void **state)
{
    (void)state;
    HEADER(V1_TCP4, "192.0.2.1:1234", "198.51.100.2:80");
    HEADER(V1_TCP6, "[2001:db8::1]:65535", "[2001:db8::2]:0");
    HEADER("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1:1",
           "192.0.2.2:2");
    HEADER("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "65535 65535\r\n",
           "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
           "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    HEADER("PROXY UNKNOWN\r\n", "none", "none");
    HEADER("PROXY UNKNOWN ffff:f...f:ffff 65535 what not\r\n", "none", "none");
    HEADER("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n", "0.0.0.0:0", "255.255.255.255:0");
}

static void version_1_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(NONE("GET / HTTP/1.1\r\n"), 1);
    assert_int_equal(NONE("\x16\x03\x01"), 1);
    assert_int_equal(NONE("SSH-2.0"), 1);
    assert_int_equal(NONE("PROXz"), 5);
    assert_int_equal(NONE("proxy TCP4"), 1);
    assert_int_equal(NONE("PROXY tcp4"), 7);
    assert_int_equal(NONE("PROXY TCP5"), 10);
    assert_int_equal(NONE("PROXY UDP4"), 8);
    assert_int_equal(NONE("PROXY\r\n"), 6);
    NONE("PROXY TCP4\r\n");
    NONE("PROXY UNKNOWNX\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\rX");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 12\0 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 12\033 80\r\n");
    NONE("PROXY UNKNOWN \033[2J\r\n");
    NONE("PROXY TCP4 256.0.2.1 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 192.0.2 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 192.0.2.1.5 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 0x7f.1 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 192.0.2.01 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 -1 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 +1 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 01 80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2  80\r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 1234 80 \r\n");
    NONE("PROXY TCP4 192.0.2.1 198.51.100.2 1234\r\n");
    NONE("PROXY TCP4  192.0.2.1 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 192.0.2.1\t198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP4 2001:db8::1 2001:db8::2 1234 80\r\n");
    NONE("PROXY TCP6 192.0.2.1 198.51.100.2 1234 80\r\n");
    NONE("PROXY TCP6 2001:db8::1%lo 2001:db8::2 1234 80\r\n");
}

static void version_1_ends_within_107_bytes(void **state)
{
    (void)state;
    char line[128] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof line - 14);
    struct proxy_header header;
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(parse(line, 107, &header), PROXYPROTO_COMPLETE);
    memcpy(line + 105, "x\r\n", 3);
    assert_int_equal(parse(line, 106, &header), PROXYPROTO_INVALID);
}

/* Version 2 with these last bytes of its fixed part. Returns its length. */
static size_t make(unsigned char *out, unsigned char command, unsigned char family,
                   const void *rest, size_t length)
{
    const unsigned char tail[] = {command, family, (unsigned char)(length >> 8),
                                  (unsigned char)length};
    memcpy(out, SIGNATURE, 12);
    memcpy(out + 12, tail, 4);
    memcpy(out + 16, rest, length);
    return 16 + length;
}

static const unsigned char tcp4[] = {192, 0, 2, 1, 198, 51, 100, 2, 0x04, 0xd2, 0, 80};
static const unsigned char tcp6[36] = {0x20, 0x01, 0x0d,     0xb8, [15] = 1, 0x20, 0x01,
                                       0x0d, 0xb8, [31] = 2, 1,    0,        0,    7};

static void version_2(void **state)
{
    (void)state;
    unsigned char bytes[512], unix_paths[216] = "/x";
    size_t n = make(bytes, 0x21, 0x11, tcp4, sizeof tcp4);
    assert_header(bytes, n, "192.0.2.1:1234", "198.51.100.2:80");
    n = make(bytes, 0x21, 0x21, tcp6, sizeof tcp6);
    assert_header(bytes, n, "[2001:db8::1]:256", "[2001:db8::2]:7");
    n = make(bytes, 0x21, 0x31, unix_paths, sizeof unix_paths);
    assert_header(bytes, n, "none", "none");
    n = make(bytes, 0x21, 0x00, "", 0);
    assert_header(bytes, n, "none", "none");
    n = make(bytes, 0x20, 0x00, "", 0);
    assert_header(bytes, n, "none", "none");
    n = make(bytes, 0x20, 0x1f, tcp4, 4); /* what LOCAL says besides counts for nothing */
    assert_header(bytes, n, "none", "none");
}

static void version_2_that_is_none(void **state)
{
    (void)state;
    unsigned char bytes[64];
    assert_int_equal(NONE("\r\nO"), 3);
    assert_int_equal(NONE("\r\n\r\n\0\r\nQUITX"), 12);
    for (int version = 0; version < 16; version++) {
        size_t n = make(bytes, (unsigned char)(version << 4 | 1), 0x11, tcp4, sizeof tcp4);
        if (version != 2)
            assert_int_equal(assert_none(bytes, n), 13);
    }
    for (int command = 2; command < 16; command++)
        assert_int_equal(assert_none(bytes, make(bytes, (unsigned char)(0x20 | command), 0x11,
                                                 tcp4, sizeof tcp4)),
                         13);
    for (int family = 0; family < 256; family++)
        if (family != 0 && family != 0x11 && family != 0x21 && family != 0x31)
            assert_none(bytes, make(bytes, 0x21, (unsigned char)family, tcp6, sizeof tcp6));
    for (size_t length = 0; length < 12; length++)
        assert_none(bytes, make(bytes, 0x21, 0x11, tcp4, length));
    bytes[12] = 0x20,
    bytes[14] = bytes[15] = 0xff; /* it is told before 65535 bytes have come */
    assert_int_equal(assert_none(bytes, 40), 16);
}

/* TCP4 with TLVs; returns the verdict. */
static enum proxyproto_verdict with_tlvs(const void *tlvs, size_t length)
{
    unsigned char bytes[4200], rest[4200];
    struct proxy_header header;
    memcpy(rest, tcp4, sizeof tcp4);
    memcpy(rest + sizeof tcp4, tlvs, length);
    return parse(bytes, make(bytes, 0x21, 0x11, rest, sizeof tcp4 + length), &header);
}
#define TLVS(text) with_tlvs(text, sizeof(text) - 1)

static void tlvs_are_looked_at(void **state)
{
    (void)state;
    unsigned char long_one[300] = {PROXY_TLV_AUTHORITY, 1, 0};
    memset(long_one + 3, 'a', sizeof long_one - 3);
    assert_int_equal(TLVS("\x02\0\x01"
                          "a"
                          "\x05\0\0"
                          "\x04\0\x02"
                          "xy"
                          "\xea\0\x01"
                          "z"),
                     PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x02\0\x05"
                          "a.b"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x02\0"), PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x02\0\0"), PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x02\0\x03"
                          "a\0b"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x02\0\x02"
                          "\xc3\x28"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x02\0\x02"
                          "\xc3\xa4"),
                     PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x02\0\x03"
                          "\xed\xa0\x80"),
                     PROXYPROTO_INVALID);
    assert_int_equal(with_tlvs(long_one, 3 + 256), PROXYPROTO_INVALID);
    long_one[0] = PROXY_TLV_UNIQUE_ID, long_one[1] = 0, long_one[2] = 129;
    assert_int_equal(with_tlvs(long_one, 3 + 129), PROXYPROTO_INVALID);
    long_one[2] = 128;
    assert_int_equal(with_tlvs(long_one, 3 + 128), PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x30\0\x05"
                          "../.."),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x30\0\x04"
                          "blue"),
                     PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x01\0\0"), PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x20\0\x04"
                          "\x01\0\0\0"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x20\0\x05"
                          "\x01\0\0\0\0"),
                     PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x20\0\x0a"
                          "\x01\0\0\0\0"
                          "\x21\0\x09"
                          "ab"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x20\0\x0a"
                          "\x01\0\0\0\0"
                          "\x21\0\x02"
                          "ab"),
                     PROXYPROTO_COMPLETE);
    assert_int_equal(TLVS("\x03\0\0"), PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x03\0\x03"
                          "abc"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x03\0\x05"
                          "abcde"),
                     PROXYPROTO_INVALID);
    assert_int_equal(TLVS("\x03\0\x04"
                          "abcd"),
                     PROXYPROTO_INVALID);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct addr_spec source, target;
    struct proxy_header header;
    struct proxy_value value;
    const char *why;
    unsigned char bytes[256], line[PROXYPROTO_V1_BYTES];
    static const unsigned char received[] = "\x02\0\x01"
                                            "a"
                                            "\x04\0\0"
                                            "\x30\0\x01"
                                            "n"
                                            "\x03\0\x04"
                                            "1234"
                                            "\xee\0\x02"
                                            "zz";
    assert_int_equal(addr_parse("192.0.2.1:1234", &source, &why), 0);
    assert_int_equal(addr_parse("198.51.100.2:80", &target, &why), 0);
    size_t n = proxyproto_print_v1(line, &source.address, &target.address);
    assert_int_equal(n, strlen(V1_TCP4));
    assert_memory_equal(line, V1_TCP4, n);

    struct proxy_builder builder = {.bytes = bytes, .room = sizeof bytes};
    proxyproto_begin(&builder, PROXY_PROXY, &source.address, &target.address);
    proxyproto_add(&builder, PROXY_TLV_UNIQUE_ID, "17", 2);
    proxyproto_add_received(&builder, received, sizeof received - 1);
    n = proxyproto_end(&builder);
    assert_true(n > 0);
    assert_int_equal(proxyproto_parse(bytes, n, &header), PROXYPROTO_COMPLETE);
    assert_string_equal(shown(&header.source), "192.0.2.1:1234");
    const uint8_t types[] = {PROXY_TLV_UNIQUE_ID, PROXY_TLV_AUTHORITY, PROXY_TLV_NETNS, 0xee,
                             PROXY_TLV_CRC32C};
    for (size_t i = 0; i < sizeof types; i++) {
        assert_true(proxyproto_next(&header.tlvs, &header.tlvs_length, &value));
        assert_int_equal(value.type, types[i]);
    }
    assert_int_equal(header.tlvs_length, 0);
    for (size_t i = 0; i < n; i++) { /* the checksum is over all of it */
        bytes[i] ^= 0x01;
        assert_int_not_equal(
            proxyproto_parse(bytes, n, &header) == PROXYPROTO_COMPLETE && i != 12, 1);
        bytes[i] ^= 0x01;
    }
    builder.room = n - 1;
    proxyproto_begin(&builder, PROXY_PROXY, &source.address, &target.address);
    proxyproto_add(&builder, PROXY_TLV_UNIQUE_ID, "17", 2);
    proxyproto_add_received(&builder, received, sizeof received - 1);
    assert_int_equal(proxyproto_end(&builder), 0);
}

static void a_header_that_names_nobody(void **state)
{
    (void)state;
    struct addr nobody = {0};
    unsigned char bytes[64];
    struct proxy_header header;
    struct proxy_builder builder = {.bytes = bytes, .room = sizeof bytes};
    proxyproto_begin(&builder, PROXY_PROXY, &nobody, &nobody);
    size_t n = proxyproto_end(&builder);
    assert_int_equal(n, 23);
    assert_int_equal(parse(bytes, n, &header), PROXYPROTO_COMPLETE);
    assert_int_equal(bytes[12], 0x21);
    assert_int_equal(bytes[13], 0x00);
}

static void families_that_differ_and_unknown_ones(void **state)
{
    (void)state;
    struct addr_spec source, target;
    struct addr nobody = {0};
    struct proxy_header header;
    const char *why;
    unsigned char line[PROXYPROTO_V1_BYTES], bytes[128];
    assert_int_equal(addr_parse("192.0.2.1:1234", &source, &why), 0);
    assert_int_equal(addr_parse("[2001:db8::2]:80", &target, &why), 0);
    static const char mixed[] = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1234 80\r\n";
    size_t n = proxyproto_print_v1(line, &source.address, &target.address);
    assert_int_equal(n, sizeof mixed - 1);
    assert_memory_equal(line, mixed, n);
    n = proxyproto_print_v1(line, &nobody, &target.address);
    assert_int_equal(n, 15);
    assert_memory_equal(line, "PROXY UNKNOWN\r\n", n);
    struct proxy_builder builder = {.bytes = bytes, .room = sizeof bytes};
    proxyproto_begin(&builder, PROXY_PROXY, &source.address, &target.address);
    n = proxyproto_end(&builder);
    assert_int_equal(parse(bytes, n, &header), PROXYPROTO_COMPLETE);
    assert_int_equal(bytes[13], 0x21);
    assert_string_equal(shown(&header.source), "192.0.2.1:1234");
    assert_string_equal(shown(&header.target), "[2001:db8::2]:80");
    proxyproto_begin(&builder, PROXY_LOCAL, &nobody, &nobody);
    n = proxyproto_end(&builder);
    assert_int_equal(parse(bytes, n, &header), PROXYPROTO_COMPLETE);
    assert_int_equal(header.command, PROXY_LOCAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),
        cmocka_unit_test(version_1_that_is_none),
        cmocka_unit_test(version_1_ends_within_107_bytes),
        cmocka_unit_test(version_2),
        cmocka_unit_test(version_2_that_is_none),
        cmocka_unit_test(tlvs_are_looked_at),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_header_that_names_nobody),
        cmocka_unit_test(families_that_differ_and_unknown_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

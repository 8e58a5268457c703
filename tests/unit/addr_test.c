/* SPDX-License-Identifier: MIT */
/* Tests of net/addr; those of networks and prefixes are in addr_network_test.c. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define NAME_191 LABEL_63 "." LABEL_63 "." LABEL_63
#define NAME_253 NAME_191 "." LABEL_63 /* cut below to 61 bytes of the last label */
#define PATH_50 "/2345678901234567890123456789012345678901234567890"

static struct addr_spec parsed(const char *text)
{
    struct addr_spec spec = {0};
    const char *why = "";
    if (addr_parse(text, &spec, &why) != 0)
        fail_msg("\"%s\" is refused: %s", text, why);
    return spec;
}

static struct addr address_of(const char *text)
{
    return parsed(text).address;
}

static void assert_refused(const char *text, const char *words)
{
    struct addr_spec spec = {.port = 4711};
    const char *why = NULL;
    if (addr_parse(text, &spec, &why) != -1)
        fail_msg("\"%s\" is taken", text);
    if (why == NULL || strstr(why, words) == NULL)
        fail_msg("\"%s\" is refused with \"%s\"", text, why == NULL ? "(null)" : why);
    assert_int_equal(spec.port, 4711);
}

static void parses_ipv4(void **state)
{
    (void)state;
    struct addr_spec spec = parsed("192.0.2.1:80");
    assert_int_equal(spec.kind, ADDR_SOCKET);
    assert_int_equal(spec.port, 80);
    assert_int_equal(spec.address.length, sizeof(struct sockaddr_in));
    assert_int_equal(spec.address.in.sin_family, AF_INET);
    assert_int_equal(spec.address.in.sin_port, htons(80));
    assert_int_equal(spec.address.in.sin_addr.s_addr, htonl(0xc0000201));
    assert_string_equal(spec.name, "");
    assert_int_equal(parsed("0.0.0.0:1").port, 1);
    assert_int_equal(parsed("255.255.255.255:65535").port, 65535);
}

static void parses_ipv6_in_brackets(void **state)
{
    (void)state;
    struct addr_spec spec = parsed("[2001:db8::1]:443");
    assert_int_equal(spec.kind, ADDR_SOCKET);
    assert_int_equal(spec.port, 443);
    assert_int_equal(spec.address.length, sizeof(struct sockaddr_in6));
    assert_int_equal(spec.address.in6.sin6_port, htons(443));
    struct in6_addr ip;
    inet_pton(AF_INET6, "2001:db8::1", &ip);
    assert_memory_equal(&spec.address.in6.sin6_addr, &ip, sizeof ip);
    assert_int_equal(parsed("[::]:80").kind, ADDR_SOCKET);
}

static void parses_ipv4_mapped_ipv6_as_ipv4(void **state)
{
    (void)state;
    struct addr mapped = address_of("[::ffff:192.0.2.1]:80");
    struct addr plain = address_of("192.0.2.1:80");
    assert_true(addr_is_equal(&mapped, &plain));
}

static void parses_an_interface_behind_link_local_ipv6(void **state)
{
    (void)state;
    struct addr by_name = address_of("[fe80::1%lo]:80");
    struct addr by_number = address_of("[fe80::1%1]:80");
    struct addr other = address_of("[fe80::1%2]:80");
    assert_int_equal(by_name.in6.sin6_scope_id, 1); /* lo is the first of every machine */
    assert_true(addr_is_equal(&by_name, &by_number));
    assert_false(addr_is_equal(&by_name, &other));
    assert_refused("[2001:db8::1%lo]:80", "link-local");
    assert_refused("[fe80::1%nosuchif]:80", "no such network interface");
    assert_refused("[fe80::1%]:80", "no such network interface");
    assert_refused("[fe80::1%0]:80", "no such network interface");
    assert_refused("[fe80::1%4294967296]:80", "no such network interface");
}

static void parses_the_wildcard_of_both_families(void **state)
{
    (void)state;
    struct addr_spec spec = parsed("*:80");
    assert_int_equal(spec.kind, ADDR_WILDCARD);
    assert_int_equal(spec.port, 80);
    struct addr any = address_of("[::]:80");
    assert_true(addr_is_equal(&spec.address, &any));
}

static void parses_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "localhost",     "name.example",   "Name.Example", "a-b.c_d",
        "7seas",         "4chan.org",      "x1",           "xn--bcher-kva.example",
        "name.example.", "0.pool.ntp.org", "1e3",          LABEL_63};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s:8080", names[i]);
        struct addr_spec spec = parsed(text);
        assert_int_equal(spec.kind, ADDR_NAME);
        assert_string_equal(spec.name, names[i]);
        assert_int_equal(spec.port, 8080);
        assert_int_equal(spec.address.any.sa_family, AF_UNSPEC);
    }
}

static void names_are_at_most_253_bytes(void **state)
{
    (void)state;
    char text[300];
    snprintf(text, sizeof text, "%.253s:80", NAME_253);
    assert_int_equal(strlen(parsed(text).name), 253);
    snprintf(text, sizeof text, "%.253s.:80", NAME_253);
    assert_int_equal(strlen(parsed(text).name), 254);
    snprintf(text, sizeof text, "%.254s:80", NAME_253);
    assert_refused(text, "253");
    snprintf(text, sizeof text, "%s:80", NAME_253);
    assert_refused(text, "253");
    assert_refused(LABEL_63 "1:80", "63");
    assert_refused(NAME_253 NAME_253 ":80", "253");
}

static void refuses_malformed_names(void **state)
{
    (void)state;
    assert_refused("-a:80", "starts with");
    assert_refused("a-:80", "ends with");
    assert_refused("a-.b:80", "ends with");
    assert_refused("a.-b:80", "starts with");
    assert_refused(".a:80", "empty part");
    assert_refused("a..b:80", "empty part");
    assert_refused("a..:80", "empty part");
    assert_refused(".:80", "empty part");
    assert_refused("a b:80", "only letters");
    assert_refused(" a:80", "only letters");
    assert_refused("a/b:80", "only letters");
    assert_refused("a\n:80", "only letters");
    assert_refused("b\xc3\xbc"
                   "cher:80",
                   "only letters");
    assert_refused("*a:80", "only letters");
    assert_refused("**:80", "only letters");
    assert_refused("http//x:80", "only letters");
}

static void refuses_numbers_that_are_no_address(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "1.2.3",     "1.2.3.4.5",   "256.1.1.1",  "1.2.3.256",   "1.2.3.4x", "01.2.3.4",
        "1.2.3.010", "0x7f.0.0.1",  "0x7f000001", "2130706433",  "0",        "1.2.3.",
        "1.2.3.4.",  "0x7f.0x1",    "name.1",     "0X1F",        "0x",       "1..2",
        "127.1",     "1.2.3.4.5.6", "1.2.3.0x",   "999999999999"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s:80", hosts[i]);
        assert_refused(text, "four decimal parts");
    }
}

static void refuses_bad_ports(void **state)
{
    (void)state;
    static const char *const ports[] = {
        "0",    "65536", "http",   "",           "-1",
        "+80",  "080",   "80 ",    " 80",        "8080x",
        "0x50", "1e3",   "80/tcp", "4294967376", "18446744073709551696"};
    static const char *const hosts[] = {"1.2.3.4", "[::1]", "*", "name.example"};
    for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++) {
        for (size_t p = 0; p < sizeof ports / sizeof *ports; p++) {
            char text[64];
            snprintf(text, sizeof text, "%s:%s", hosts[h], ports[p]);
            assert_refused(text, "port must be 1 to 65535");
        }
    }
}

static void refuses_addresses_without_shape(void **state)
{
    (void)state;
    assert_refused("", "empty");
    assert_refused("80", "port is missing");
    assert_refused("1.2.3.4", "port is missing");
    assert_refused("name.example", "port is missing");
    assert_refused("*", "port is missing");
    assert_refused(":80", "address is missing");
    assert_refused("::1:80", "brackets");
    assert_refused("::1", "brackets");
    assert_refused("1.2.3.4:80:81", "brackets");
    assert_refused("http://name.example:80", "brackets");
    assert_refused("[::1", "\"]\" is missing");
    assert_refused("[", "\"]\" is missing");
    assert_refused("[::1]", "port is missing");
    assert_refused("[::1]80", "port is missing");
    assert_refused("[]:80", "not an IPv6 address");
    assert_refused("[1.2.3.4]:80", "not an IPv6 address");
    assert_refused("[::1::2]:80", "not an IPv6 address");
    assert_refused("[:::]:80", "not an IPv6 address");
    assert_refused("[12345::]:80", "not an IPv6 address");
    assert_refused("[1:2:3:4:5:6:7:8:9]:80", "not an IPv6 address");
    assert_refused("[ ::1]:80", "not an IPv6 address");
    assert_refused("[name]:80", "not an IPv6 address");
    assert_refused("[" NAME_191 "]:80", "not an IPv6 address");
}

static void parses_unix_sockets(void **state)
{
    (void)state;
    struct addr path = address_of("unix:/run/x.sock");
    assert_int_equal(path.un.sun_family, AF_UNIX);
    assert_string_equal(path.un.sun_path, "/run/x.sock");
    assert_int_equal(path.length, offsetof(struct sockaddr_un, sun_path) + 12);
    struct addr abstract = address_of("unix:@name");
    assert_memory_equal(abstract.un.sun_path, "\0name", 5);
    assert_int_equal(abstract.length, offsetof(struct sockaddr_un, sun_path) + 5);
    assert_int_equal(parsed("unix:/a:80").port, 0);
    assert_refused("unix:", "unix:/path");
    assert_refused("unix:run/x", "unix:/path");
    assert_refused("unix:/", "no name");
    assert_refused("unix:@", "no name");
}

static void unix_paths_are_at_most_107_bytes(void **state)
{
    (void)state;
    struct addr longest = address_of("unix:" PATH_50 PATH_50 "/234567");
    assert_int_equal(strlen(longest.un.sun_path), 107);
    assert_refused("unix:" PATH_50 PATH_50 "/2345678", "107");
    assert_refused("unix:" PATH_50 PATH_50 PATH_50 PATH_50, "107");
    address_of("unix:@" PATH_50 PATH_50 "234567");
    assert_refused("unix:@" PATH_50 PATH_50 "2345678", "107");
}

static void parses_service_records(void **state)
{
    (void)state;
    struct addr_spec spec = parsed("srv:_http._tcp.name.example");
    assert_int_equal(spec.kind, ADDR_SRV);
    assert_string_equal(spec.name, "_http._tcp.name.example");
    assert_int_equal(spec.port, 0);
    assert_refused("srv:", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:name.example", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:_http.name.example", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:_http._tcp", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:_http._tcp.", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:_http.x._tcp.name", "_SERVICE._PROTOCOL.NAME");
    assert_refused("srv:_http._tcp.name:80", "only letters");
    assert_refused("srv:_http._tcp..name", "empty part");
    assert_refused("srv:_http._tcp." NAME_253, "253");
}

static void printed_addresses_parse_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1:80",
                                        "255.255.255.255:65535",
                                        "[2001:db8::1]:443",
                                        "[::1]:1",
                                        "[fe80::1%1]:80",
                                        "*:80",
                                        "localhost:8080",
                                        "name.example.:80",
                                        "srv:_http._tcp.name.example",
                                        "unix:/run/x",
                                        "unix:@name",
                                        "unix:" PATH_50 PATH_50 "/234567",
                                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char out[ADDR_TEXT_BYTES + 256];
        struct addr_spec spec = parsed(texts[i]);
        assert_string_equal(addr_spec_print(out, &spec), texts[i]);
    }
}

static void longest_name_prints_whole(void **state)
{
    (void)state;
    char text[300], out[ADDR_TEXT_BYTES + 256];
    snprintf(text, sizeof text, "%.253s.:65535", NAME_253);
    struct addr_spec spec = parsed(text);
    assert_string_equal(addr_spec_print(out, &spec), text);
}

static void prints_what_the_kernel_hands_out(void **state)
{
    (void)state;
    char out[ADDR_TEXT_BYTES];
    struct addr none = {0};
    assert_string_equal(addr_print(out, &none), "none");
    struct addr mapped = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)},
                          .length = sizeof mapped.in6};
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.in6.sin6_addr);
    assert_string_equal(addr_print(out, &mapped), "192.0.2.1:80");
    struct addr unnamed = {.un = {.sun_family = AF_UNIX}, .length = sizeof(sa_family_t)};
    assert_string_equal(addr_print(out, &unnamed), "unix:");
    struct addr odd = {.un = {.sun_family = AF_UNIX}};
    memcpy(odd.un.sun_path, "\0a\0b\n", 5);
    odd.length = offsetof(struct sockaddr_un, sun_path) + 5;
    assert_string_equal(addr_print(out, &odd), "unix:@a?b?");
    struct addr full = {.un = {.sun_family = AF_UNIX}, .length = sizeof full.un};
    memset(full.un.sun_path, 'x', sizeof full.un.sun_path);
    assert_int_equal(strlen(addr_print(out, &full)), 5 + sizeof full.un.sun_path);
}

static void unmaps_only_mapped_addresses(void **state)
{
    (void)state;
    struct addr mapped = {
        .in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_flowinfo = 5},
        .length = sizeof mapped.in6};
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.in6.sin6_addr);
    addr_unmap(&mapped);
    struct addr plain = address_of("192.0.2.1:80");
    assert_true(addr_is_equal(&mapped, &plain));
    assert_int_equal(mapped.length, sizeof mapped.in);
    static const char *const others[] = {"192.0.2.1:80", "[::1]:80", "[::192.0.2.1]:80",
                                         "unix:/x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct addr before = address_of(others[i]), after = before;
        addr_unmap(&after);
        assert_memory_equal(&before, &after, sizeof before);
    }
}

static void compares_all_that_counts(void **state)
{
    (void)state;
    static const char *const different[] = {"192.0.2.1:80", "192.0.2.1:81", "192.0.2.2:80",
                                            "[::1]:80",     "[::1]:81",     "[::2]:80",
                                            "unix:/a",      "unix:/ab",     "unix:@a"};
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        for (size_t j = 0; j < sizeof different / sizeof *different; j++) {
            struct addr a = address_of(different[i]), b = address_of(different[j]);
            assert_int_equal(addr_is_equal(&a, &b), i == j);
        }
    }
    struct addr none = {0}, other_none = {0}, some = address_of("[::1]:80");
    assert_true(addr_is_equal(&none, &other_none));
    assert_false(addr_is_equal(&none, &some));
    struct addr flow = some;
    flow.in6.sin6_flowinfo = 7; /* the kernel's business, no part of the address */
    assert_true(addr_is_equal(&flow, &some));
}

static void tells_ports_in_host_order(void **state)
{
    (void)state;
    struct addr v4 = address_of("1.2.3.4:80"), v6 = address_of("[::1]:65535"),
                path = address_of("unix:/x"), none = {0};
    assert_int_equal(addr_port(&v4), 80);
    assert_int_equal(addr_port(&v6), 65535);
    assert_int_equal(addr_port(&path), 0);
    assert_int_equal(addr_port(&none), 0);
}

static void knows_loopback(void **state)
{
    (void)state;
    static const char *const inside[] = {"127.0.0.1:1", "127.255.255.255:1", "[::1]:1",
                                         "unix:/x", "unix:@x"};
    static const char *const outside[] = {"126.255.255.255:1", "128.0.0.1:1",
                                          "0.0.0.0:1",         "[::]:1",
                                          "[::2]:1",           "[2001:db8::1]:1"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        struct addr address = address_of(inside[i]);
        assert_true(addr_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct addr address = address_of(outside[i]);
        assert_false(addr_is_loopback(&address));
    }
    struct addr mapped = {.in6 = {.sin6_family = AF_INET6}, .length = sizeof mapped.in6};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.in6.sin6_addr);
    assert_true(addr_is_loopback(&mapped));
    struct addr none = {0};
    assert_false(addr_is_loopback(&none));
}

static void knows_what_can_be_one_host(void **state)
{
    (void)state;
    static const char *const good[] = {"192.0.2.1:1", "127.0.0.1:1", "223.255.255.255:1",
                                       "240.0.0.1:1", "[::1]:1",     "[2001:db8::1]:1"};
    static const char *const bad[] = {
        "0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "239.1.2.3:1",
        "[::]:1",    "[ff02::1]:1",       "unix:/x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct addr address = address_of(good[i]);
        assert_true(addr_is_one_host(&address));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct addr address = address_of(bad[i]);
        assert_false(addr_is_one_host(&address));
    }
    struct addr link = {.in6 = {.sin6_family = AF_INET6}, .length = sizeof link.in6};
    link.in6.sin6_addr.s6_addr[0] = 0xfe;
    link.in6.sin6_addr.s6_addr[1] = 0x80;
    link.in6.sin6_addr.s6_addr[15] = 1;
    assert_false(addr_is_one_host(&link));
    link.in6.sin6_scope_id = 1;
    assert_true(addr_is_one_host(&link));
    struct addr none = {0};
    assert_false(addr_is_one_host(&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_ipv4),
        cmocka_unit_test(parses_ipv6_in_brackets),
        cmocka_unit_test(parses_ipv4_mapped_ipv6_as_ipv4),
        cmocka_unit_test(parses_an_interface_behind_link_local_ipv6),
        cmocka_unit_test(parses_the_wildcard_of_both_families),
        cmocka_unit_test(parses_names),
        cmocka_unit_test(names_are_at_most_253_bytes),
        cmocka_unit_test(refuses_malformed_names),
        cmocka_unit_test(refuses_numbers_that_are_no_address),
        cmocka_unit_test(refuses_bad_ports),
        cmocka_unit_test(refuses_addresses_without_shape),
        cmocka_unit_test(parses_unix_sockets),
        cmocka_unit_test(unix_paths_are_at_most_107_bytes),
        cmocka_unit_test(parses_service_records),
        cmocka_unit_test(printed_addresses_parse_back),
        cmocka_unit_test(longest_name_prints_whole),
        cmocka_unit_test(prints_what_the_kernel_hands_out),
        cmocka_unit_test(unmaps_only_mapped_addresses),
        cmocka_unit_test(compares_all_that_counts),
        cmocka_unit_test(tells_ports_in_host_order),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(knows_what_can_be_one_host),
    };
    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}

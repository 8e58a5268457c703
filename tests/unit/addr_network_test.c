/* SPDX-License-Identifier: MIT */
/* Tests of the networks and prefixes of net/addr. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Longer than any address. */
#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define NAME_191 LABEL_63 "." LABEL_63 "." LABEL_63

static struct addr address_of(const char *text)
{
    struct addr_spec spec = {0};
    const char *why = "";
    if (addr_parse(text, &spec, &why) != 0)
        fail_msg("\"%s\" is refused: %s", text, why);
    return spec.address;
}

static struct addr_network network_of(const char *text)
{
    struct addr_network network = {0};
    const char *why = "";
    if (addr_parse_network(text, &network, &why) != 0)
        fail_msg("\"%s\" is refused: %s", text, why);
    return network;
}

static void parses_networks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
        int prefix_bits, family;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0/8", 8, AF_INET},
        {"0.0.0.0/0", "0.0.0.0/0", 0, AF_INET},
        {"192.0.2.1", "192.0.2.1", 32, AF_INET},
        {"192.0.2.1/32", "192.0.2.1", 32, AF_INET},
        {"192.0.2.128/25", "192.0.2.128/25", 25, AF_INET},
        {"2001:db8::/32", "2001:db8::/32", 32, AF_INET6},
        {"::/0", "::/0", 0, AF_INET6},
        {"::1", "::1", 128, AF_INET6},
        {"2001:db8::8000/113", "2001:db8::8000/113", 113, AF_INET6},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8", 8, AF_INET},
        {"::ffff:0:0/96", "0.0.0.0/0", 0, AF_INET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[ADDR_TEXT_BYTES];
        struct addr_network network = network_of(cases[i].text);
        assert_int_equal(network.prefix_bits, cases[i].prefix_bits);
        assert_int_equal(network.address.any.sa_family, cases[i].family);
        assert_int_equal(addr_port(&network.address), 0);
        assert_string_equal(addr_print_network(out, &network), cases[i].printed);
    }
}

static void refuses_malformed_networks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "empty"},
        {"/8", "empty"},
        {"10.0.0.0/33", "0 to 32"},
        {"10.0.0.0/-1", "0 to 32"},
        {"10.0.0.0/", "0 to 32"},
        {"10.0.0.0/08", "0 to 32"},
        {"10.0.0.0/8/8", "0 to 32"},
        {"10.0.0.0/8 ", "0 to 32"},
        {"10.0.0.0/255.0.0.0", "0 to 32"},
        {"10.0.0.0/4294967304", "0 to 32"},
        {"::/129", "0 to 128"},
        {"10.0.0.1/8", "behind its prefix"},
        {"192.0.2.129/25", "behind its prefix"},
        {"1.0.0.0/0", "behind its prefix"},
        {"2001:db8::1/127", "behind its prefix"},
        {"::ffff:10.0.0.1/104", "behind its prefix"},
        {"10.0.0/8", "four decimal parts"},
        {"10.0.0.0.0/8", "four decimal parts"},
        {"10/8", "four decimal parts"},
        {"256.0.0.0/8", "four decimal parts"},
        {"name.example", "not an IPv4 or IPv6"},
        {"[::1]", "not an IPv4 or IPv6"},
        {"fe80::1%lo", "not an IPv4 or IPv6"},
        {"10.0.0.1:80", "not an IPv4 or IPv6"},
        {"*", "not an IPv4 or IPv6"},
        {NAME_191, "not an IPv4 or IPv6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr_network network = {.prefix_bits = 4711};
        const char *why = "";
        if (addr_parse_network(cases[i].text, &network, &why) != -1)
            fail_msg("\"%s\" is taken", cases[i].text);
        if (strstr(why, cases[i].words) == NULL)
            fail_msg("\"%s\" is refused with \"%s\"", cases[i].text, why);
        assert_int_equal(network.prefix_bits, 4711);
    }
}

static void networks_have_exactly_their_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool has;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0:1", true},
        {"10.0.0.0/8", "10.255.255.255:1", true},
        {"10.0.0.0/8", "11.0.0.0:1", false},
        {"10.0.0.0/8", "9.255.255.255:1", false},
        {"0.0.0.0/0", "255.1.2.3:1", true},
        {"0.0.0.0/0", "[::1]:1", false},
        {"::/0", "[2001:db8::1]:1", true},
        {"::/0", "1.2.3.4:1", false},
        {"192.0.2.128/25", "192.0.2.128:1", true},
        {"192.0.2.128/25", "192.0.2.255:1", true},
        {"192.0.2.128/25", "192.0.2.127:1", false},
        {"192.0.2.1/32", "192.0.2.1:65535", true},
        {"192.0.2.1/32", "192.0.2.0:1", false},
        {"192.0.2.0/31", "192.0.2.1:1", true},
        {"192.0.2.0/31", "192.0.2.2:1", false},
        {"2001:db8::/33", "[2001:db8:7fff::1]:1", true},
        {"2001:db8::/33", "[2001:db8:8000::1]:1", false},
        {"2001:db8::1", "[2001:db8::1]:1", true},
        {"2001:db8::1", "[2001:db8::2]:1", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3:1", true},
        {"::/0", "unix:/x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr_network network = network_of(cases[i].network);
        struct addr address = address_of(cases[i].address);
        if (addr_network_has(&network, &address) != cases[i].has)
            fail_msg("%s in %s", cases[i].address, cases[i].network);
    }
}

/* The prefix of an address as hexadecimal text. */
static const char *prefix_of(const char *text, int inet_bits, int inet6_bits)
{
    static char hex[2][2 * ADDR_PREFIX_BYTES + 1];
    static int at;
    unsigned char bytes[ADDR_PREFIX_BYTES];
    struct addr_spec spec;
    const char *why;

    at ^= 1;
    assert_int_equal(addr_parse(text, &spec, &why), 0);
    addr_prefix(bytes, &spec.address, inet_bits, inet6_bits);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(hex[at] + 2 * i, 3, "%02x", bytes[i]);
    return hex[at];
}

static void clients_of_a_prefix_count_as_one(void **state)
{
    (void)state;
    assert_string_equal(prefix_of("192.0.2.255:80", 32, 64),
                        "04c00002ff000000000000000000000000");
    assert_string_equal(prefix_of("192.0.2.255:80", 27, 64),
                        "04c00002e0000000000000000000000000");
    assert_string_equal(prefix_of("192.0.2.255:80", 0, 64),
                        "0400000000000000000000000000000000");
    assert_string_equal(prefix_of("[2001:db8:ffff:ffff:ffff::1]:80", 32, 57),
                        "0620010db8ffffff800000000000000000");
    assert_string_equal(prefix_of("[2001:db8::1]:80", 32, 128),
                        "0620010db8000000000000000000000001");
    assert_string_equal(prefix_of("[::ffff:192.0.2.1]:80", 24, 64),
                        prefix_of("192.0.2.77:81", 24, 0));
    assert_string_equal(prefix_of("unix:/run/a", 24, 64), prefix_of("unix:/run/b", 24, 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_networks),
        cmocka_unit_test(refuses_malformed_networks),
        cmocka_unit_test(networks_have_exactly_their_addresses),
        cmocka_unit_test(clients_of_a_prefix_count_as_one),
    };
    return cmocka_run_group_tests_name("addr_network", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Sets of networks: who is in them, at the edges, among many, compared with a plain search. */
#include "net/netset.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static struct addr_network network_of(const char *text)
{
    struct addr_network network;
    const char *why = "";
    if (addr_parse_network(text, &network, &why) != 0)
        fail_msg("%s: %s", text, why);
    return network;
}

static struct addr address_of(const char *text)
{
    struct addr address = {0};
    if (inet_pton(AF_INET, text, &address.in.sin_addr) == 1) {
        address.in.sin_family = AF_INET;
        address.length = sizeof address.in;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
        address.in6.sin6_family = AF_INET6;
        address.length = sizeof address.in6;
    }
    return address;
}

static bool has(const struct netset *networks, const char *text)
{
    struct addr address = address_of(text);
    return netset_has(networks, &address);
}

static void fill(struct netset *networks, const char *const *texts, size_t n)
{
    struct addr_network at[16];
    assert_true(n <= 16);
    for (size_t i = 0; i < n; i++)
        at[i] = network_of(texts[i]);
    assert_int_equal(netset_init(networks, at, n), 0);
}

static void nobody_is_in_the_empty_set(void **state)
{
    (void)state;
    struct netset networks = {0};
    assert_true(netset_is_empty(&networks));
    assert_false(has(&networks, "127.0.0.1"));
    assert_false(has(&networks, "::1"));
    fill(&networks, NULL, 0);
    assert_true(netset_is_empty(&networks));
    netset_fini(&networks);
}

static void edges_of_a_network_are_in_and_their_neighbours_are_not(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.1.2.0/23", "192.0.2.7/32", "2001:db8:4000::/34",
                                        "2001:db8::5"};
    struct netset networks;
    fill(&networks, texts, 4);
    assert_false(netset_is_empty(&networks));
    assert_false(has(&networks, "10.1.1.255"));
    assert_true(has(&networks, "10.1.2.0"));
    assert_true(has(&networks, "10.1.3.255"));
    assert_false(has(&networks, "10.1.4.0"));
    assert_false(has(&networks, "192.0.2.6"));
    assert_true(has(&networks, "192.0.2.7"));
    assert_false(has(&networks, "192.0.2.8"));
    assert_false(has(&networks, "2001:db8:3fff:ffff:ffff:ffff:ffff:ffff"));
    assert_true(has(&networks, "2001:db8:4000::"));
    assert_true(has(&networks, "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(has(&networks, "2001:db8:8000::"));
    assert_false(has(&networks, "2001:db8::4"));
    assert_true(has(&networks, "2001:db8::5"));
    assert_false(has(&networks, "2001:db8::6"));
    netset_fini(&networks);
}

static void whole_families_are_apart(void **state)
{
    (void)state;
    static const char *const v4[] = {"0.0.0.0/0"}, *const v6[] = {"::/0"};
    struct netset networks;
    fill(&networks, v4, 1);
    assert_true(has(&networks, "0.0.0.0"));
    assert_true(has(&networks, "255.255.255.255"));
    assert_false(has(&networks, "::"));
    netset_fini(&networks);
    fill(&networks, v6, 1);
    assert_true(has(&networks, "::"));
    assert_true(has(&networks, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(has(&networks, "1.2.3.4"));
    netset_fini(&networks);
}

static void networks_within_others_change_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.0.0.0/24",   "10.0.0.0/8",        "10.255.0.0/16",
                                        "10.0.0.0/8",    "2001:db8::/48",     "2001:db8::/32",
                                        "10.128.0.1/32", "2001:db8:ffff::/48"};
    struct netset networks;
    fill(&networks, texts, 8);
    assert_int_equal(networks.n_inet, 1);
    assert_int_equal(networks.n_inet6, 1);
    assert_true(has(&networks, "10.77.1.2"));
    assert_true(has(&networks, "10.255.255.255"));
    assert_false(has(&networks, "11.0.0.0"));
    assert_true(has(&networks, "2001:db8:7777::1"));
    assert_false(has(&networks, "2001:db9::"));
    netset_fini(&networks);
}

static void an_address_of_no_ip_family_is_in_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.0.0.0/0", "::/0"};
    struct netset networks;
    struct addr address = {.un = {.sun_family = AF_UNIX, .sun_path = "/run/x"}};
    fill(&networks, texts, 2);
    assert_false(netset_has(&networks, &address));
    netset_fini(&networks);
}

enum { MANY = 10000, LOOKS = 20000 };

static struct addr_network random_network(struct random *random, bool is_v6)
{
    int most = is_v6 ? 128 : 32;
    struct addr_network network = {.prefix_bits =
                                       8 + (int)random_below(random, (uint64_t)most - 7)};
    unsigned char bytes[16] = {0};
    for (int bit = 0; bit < network.prefix_bits; bit++)
        if (random_below(random, 2) != 0)
            bytes[bit / 8] |= (unsigned char)(0x80 >> (bit % 8));
    network.address.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    if (is_v6)
        memcpy(&network.address.in6.sin6_addr, bytes, 16);
    else
        memcpy(&network.address.in.sin_addr, bytes, 4);
    return network;
}

/* Near the edge of some network, where mistakes are. */
static struct addr random_address(struct random *random, const struct addr_network *at)
{
    struct addr address = at[random_below(random, MANY)].address;
    unsigned char *bytes = address.any.sa_family == AF_INET6
                               ? address.in6.sin6_addr.s6_addr
                               : (unsigned char *)&address.in.sin_addr;
    size_t n = address.any.sa_family == AF_INET6 ? 16 : 4;
    bytes[random_below(random, n)] ^= (unsigned char)(1U << random_below(random, 8));
    return address;
}

static void ten_thousand_agree_with_a_plain_search(void **state)
{
    (void)state;
    struct random random;
    struct addr_network *at = calloc(MANY, sizeof *at);
    struct netset networks;
    size_t n_in = 0;
    random_init(&random, 7);
    assert_non_null(at);
    for (size_t i = 0; i < MANY; i++)
        at[i] = random_network(&random, i % 2 != 0);
    assert_int_equal(netset_init(&networks, at, MANY), 0);
    for (size_t i = 0; i < LOOKS; i++) {
        struct addr address = random_address(&random, at);
        bool expected = false;
        for (size_t k = 0; k < MANY && !expected; k++)
            expected = addr_network_has(&at[k], &address);
        n_in += expected;
        assert_int_equal(netset_has(&networks, &address), expected);
    }
    assert_in_range(n_in, 1, LOOKS - 1);
    netset_fini(&networks);
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_in_the_empty_set),
        cmocka_unit_test(edges_of_a_network_are_in_and_their_neighbours_are_not),
        cmocka_unit_test(whole_families_are_apart),
        cmocka_unit_test(networks_within_others_change_nothing),
        cmocka_unit_test(an_address_of_no_ip_family_is_in_none),
        cmocka_unit_test(ten_thousand_agree_with_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the count of wrong passwords. */
#include "admin/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>

#include <cmocka.h>

#define MINUTE_NS TRIES_WINDOW_NS

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct tries));
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static struct addr at4(uint32_t host)
{
    struct addr addr = {.in = {.sin_family = AF_INET, .sin_port = (in_port_t)host}};
    addr.in.sin_addr.s_addr = htonl(host);
    return addr;
}

static struct addr at6(const char *text)
{
    struct addr addr = {.in6 = {.sin6_family = AF_INET6}};
    assert_int_equal(inet_pton(AF_INET6, text, &addr.in6.sin6_addr), 1);
    return addr;
}

static void ten_a_minute_then_the_wait_is_told(void **state)
{
    struct tries *tries = *state;
    struct addr from = at4(7), other = at4(8);
    for (int i = 0; i < TRIES_MOST; i++)
        assert_int_equal(tries_begin(tries, &from, 1000), 0);
    assert_int_equal(tries_begin(tries, &from, 1000), 60);
    assert_int_equal(tries_begin(tries, &from, 1000 + MINUTE_NS - 1), 1);
    assert_int_equal(tries_begin(tries, &other, 1000), 0);
    assert_int_equal(tries_begin(tries, &from, 1000 + MINUTE_NS), 0);
}

static void a_right_one_counts_nothing(void **state)
{
    struct tries *tries = *state;
    struct addr from = at4(7);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tries_begin(tries, &from, 1000), 0);
        tries_end_well(tries, &from);
    }
}

static void a_customer_has_all_of_a_64(void **state)
{
    struct tries *tries = *state;
    struct addr one = at6("2001:db8::1"), same = at6("2001:db8::ffff"),
                other = at6("2001:db8:0:1::1");
    for (int i = 0; i < TRIES_MOST; i++)
        assert_int_equal(tries_begin(tries, i % 2 ? &one : &same, 1000), 0);
    assert_int_not_equal(tries_begin(tries, &same, 1000), 0);
    assert_int_equal(tries_begin(tries, &other, 1000), 0);
    /* IPv4 in IPv6's clothes is the same address. */
    struct addr mapped = at6("::ffff:10.0.0.7"), plain = at4(0x0a000007);
    for (int i = 0; i < TRIES_MOST; i++)
        assert_int_equal(tries_begin(tries, i % 2 ? &mapped : &plain, 1000), 0);
    assert_int_not_equal(tries_begin(tries, &plain, 1000), 0);
}

static void a_full_table_forgets_the_oldest(void **state)
{
    struct tries *tries = *state;
    for (uint32_t i = 0; i < TRIES_SLOTS; i++) {
        struct addr from = at4(i);
        for (int k = 0; k < TRIES_MOST; k++)
            assert_int_equal(tries_begin(tries, &from, 1000 + i), 0);
    }
    struct addr first = at4(0), second = at4(1), last = at4(TRIES_SLOTS);
    assert_int_equal(tries_begin(tries, &last, 5000), 0);
    assert_int_not_equal(tries_begin(tries, &second, 5000), 0);
    assert_int_equal(tries_begin(tries, &first, 5000), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ten_a_minute_then_the_wait_is_told),
        TEST(a_right_one_counts_nothing),
        TEST(a_customer_has_all_of_a_64),
        TEST(a_full_table_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

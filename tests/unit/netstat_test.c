/* SPDX-License-Identifier: MIT */
/* The kernel's counters are found by name, and are what the kernel says. */
#include "net/netstat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/sock.h"

static const char sample[] = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\n"
                             "TcpExt: 1 18446744073709551615 3\n"
                             "IpExt: InNoRoutes ListenOverflows\n"
                             "IpExt: 7 8\n";

static void finds_the_value_under_the_name(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_true(netstat_find(sample, "TcpExt", "SyncookiesSent", &value));
    assert_int_equal(value, 1);
    assert_true(netstat_find(sample, "TcpExt", "ListenOverflows", &value));
    assert_true(value == UINT64_MAX);
    assert_true(netstat_find(sample, "TcpExt", "ListenDrops", &value));
    assert_int_equal(value, 3);
    assert_true(netstat_find(sample, "IpExt", "ListenOverflows", &value));
    assert_int_equal(value, 8);
}

static void what_is_not_there_is_not_found(void **state)
{
    uint64_t value = 77;
    (void)state;
    assert_false(netstat_find(sample, "TcpExt", "Listen", &value));
    assert_false(netstat_find(sample, "TcpExt", "ListenOverflowsX", &value));
    assert_false(netstat_find(sample, "Tcp", "ListenDrops", &value));
    assert_false(netstat_find(sample, "MPTcpExt", "ListenDrops", &value));
    assert_int_equal(value, 77);
}

static void every_cut_of_the_text_is_survived(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof sample; cut++) {
        char text[sizeof sample];
        uint64_t value = 0;
        memcpy(text, sample, cut);
        text[cut] = '\0';
        netstat_find(text, "TcpExt", "ListenDrops", &value);
        netstat_find(text, "IpExt", "ListenOverflows", &value);
    }
}

/* Connects beyond the backlog of a listener that nobody accepts at. */
static void kernels_count_grows_with_an_overflow(void **state)
{
    struct addr_spec spec;
    const char *why = NULL;
    int fds[16];
    (void)state;
    assert_int_equal(addr_parse("127.0.0.1:1", &spec, &why), 0);
    spec.address.in.sin_port = 0;
    int listener = sock_open_listener(&spec.address, "");
    assert_true(listener >= 0);
    assert_int_equal(sock_listen(listener, 1), 0);
    spec.address.length = sizeof spec.address.in;
    assert_int_equal(getsockname(listener, &spec.address.any, &spec.address.length), 0);

    uint64_t before = netstat_listen_overflows();
    for (size_t i = 0; i < 16; i++) {
        fds[i] = sock_open_stream(AF_INET);
        (void)!connect(fds[i], &spec.address.any, spec.address.length);
    }
    assert_true(netstat_listen_overflows() > before);
    for (size_t i = 0; i < 16; i++)
        close(fds[i]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_value_under_the_name),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(every_cut_of_the_text_is_survived),
        cmocka_unit_test(kernels_count_grows_with_an_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Half-open handshakes are seen at their port, and nowhere else. */
#include "net/halfopen.h"

#include "sock_rig.h"

#include <netinet/tcp.h>

/*
 * A listener that waits for data leaves the handshake half open for the table's purposes, though
 * the client believes in it.
 */
static int listen_deferred(const struct addr *where, struct addr *at)
{
    const int seconds = 30;
    int fd = sock_open_listener(where, NULL);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds),
                     0);
    assert_int_equal(sock_listen(fd, 8), 0);
    *at = bound_address(fd);
    return fd;
}

static void is_seen_while_it_lasts(const struct addr *where)
{
    struct halfopen halfopen;
    struct addr address, other;
    int deferred = listen_deferred(where, &address), idle = listen_deferred(where, &other);
    assert_int_equal(halfopen_read(&halfopen), 0);
    assert_false(halfopen_has(&halfopen, addr_port(&address)));
    int client = sock_open_stream(where->any.sa_family);
    connect(client, &address.any, address.length);
    for (int i = 0; i < 1000 && !halfopen_has(&halfopen, addr_port(&address)); i++) {
        assert_int_equal(halfopen_read(&halfopen), 0);
        usleep(1000);
    }
    assert_true(halfopen_has(&halfopen, addr_port(&address)));
    assert_false(halfopen_has(&halfopen, addr_port(&other)));
    assert_int_equal(send(client, "x", 1, 0), 1);
    for (int i = 0; i < 1000 && halfopen_has(&halfopen, addr_port(&address)); i++) {
        assert_int_equal(halfopen_read(&halfopen), 0);
        usleep(1000);
    }
    assert_false(halfopen_has(&halfopen, addr_port(&address)));
    close(client);
    close(deferred);
    close(idle);
}

static void is_seen_on_both_families(void **state)
{
    (void)state;
    const struct addr four = loopback_v4(0);
    const struct addr six = {
        .in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT},
        .length = sizeof six.in6};
    is_seen_while_it_lasts(&four);
    int probe = sock_open_listener(&six, NULL);
    if (probe < 0) /* a machine without IPv6 */
        return;
    close(probe);
    is_seen_while_it_lasts(&six);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_seen_on_both_families)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

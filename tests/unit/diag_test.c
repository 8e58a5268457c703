/* SPDX-License-Identifier: MIT */
/* The kernel tells the connections that are there: ours are among them, with the right ends. */
#include "net/diag.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

/* A connection over loopback and a look-out for it. */
struct pair {
    int listener, client, host;
    struct addr client_at, host_at;
    int n_seen_there, n_seen_back;
};

static void open_pair(struct pair *pair, int family)
{
    *pair = (struct pair){.host_at.length = sizeof pair->host_at.in6,
                          .client_at.length = sizeof pair->client_at.in6};
    pair->host_at.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        pair->host_at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        pair->host_at.in6.sin6_addr = in6addr_loopback;
    pair->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = family == AF_INET ? sizeof pair->host_at.in : sizeof pair->host_at.in6;
    assert_int_equal(bind(pair->listener, &pair->host_at.any, length), 0);
    assert_int_equal(listen(pair->listener, 1), 0);
    assert_int_equal(getsockname(pair->listener, &pair->host_at.any, &pair->host_at.length), 0);
    assert_int_equal(connect(pair->client, &pair->host_at.any, pair->host_at.length), 0);
    assert_int_equal(getsockname(pair->client, &pair->client_at.any, &pair->client_at.length),
                     0);
    pair->host = accept(pair->listener, NULL, NULL);
    assert_true(pair->host >= 0);
}

static void note(void *context, const struct addr *local, const struct addr *remote)
{
    struct pair *pair = context;
    pair->n_seen_there +=
        addr_is_equal(local, &pair->client_at) && addr_is_equal(remote, &pair->host_at);
    pair->n_seen_back +=
        addr_is_equal(local, &pair->host_at) && addr_is_equal(remote, &pair->client_at);
    /* A listener has no other end, nor has who is only bound. */
    assert_true(addr_port(remote) != 0);
}

static void sees_both_ends_of(int family)
{
    struct pair pair;
    open_pair(&pair, family);
    int bound = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct addr anywhere = {.any = {.sa_family = (sa_family_t)family}};
    assert_int_equal(bind(bound, &anywhere.any, pair.host_at.length), 0);
    assert_int_equal(diag_walk(family, note, &pair), 0);
    close(bound);
    assert_int_equal(pair.n_seen_there, 1);
    assert_int_equal(pair.n_seen_back, 1);

    /* Who closes first keeps its port for a while. */
    pair.n_seen_there = pair.n_seen_back = 0;
    close(pair.client);
    close(pair.host);
    assert_int_equal(diag_walk(family, note, &pair), 0);
    assert_int_equal(pair.n_seen_there, 1);
    close(pair.listener);
}

static void sees_both_ends_of_a_connection(void **state)
{
    (void)state;
    sees_both_ends_of(AF_INET);
}

static void sees_both_ends_of_an_ipv6_connection(void **state)
{
    (void)state;
    sees_both_ends_of(AF_INET6);
}

static void a_family_without_connections_is_refused_or_empty(void **state)
{
    (void)state;
    struct pair pair = {0};
    /* 44 is no family that the kernel lists connections of. */
    assert_int_equal(diag_walk(44, note, &pair), -1);
    assert_int_equal(pair.n_seen_there + pair.n_seen_back, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_both_ends_of_a_connection),
        cmocka_unit_test(sees_both_ends_of_an_ipv6_connection),
        cmocka_unit_test(a_family_without_connections_is_refused_or_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

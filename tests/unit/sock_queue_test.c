/* SPDX-License-Identifier: MIT */
/* Tests of net/sock: queues and reuseport groups, on the loopback interface. */
#include "net/sock.h"

#include <netinet/tcp.h>
#include <string.h>

#include "sock_rig.h"

#define SILENCE_MS 300 /* long enough for anything on loopback that is going to happen */

static void queue_length_counts_waiting_connections(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address), clients[3];
    assert_int_equal(sock_queue_length(listener), 0);
    for (int i = 0; i < 3; i++)
        clients[i] = connect_to(&address);
    assert_int_equal(sock_queue_length(listener), 3);
    int host = accept_one(listener, NULL);
    assert_int_equal(sock_queue_length(listener), 2);
    errno = 0;
    assert_int_equal(sock_queue_length(host), -1); /* listens on nothing */
    assert_int_equal(errno, EINVAL);
    close(host);
    close_all(clients, 3);
    close(listener);
}

/* Newer kernels want a privilege for it that the tests need not have; the sink wants none. */
static void refuse_new_or_skip(int listener)
{
    int result = sock_refuse_new(listener);
    if (result < 0 && errno == EPERM && geteuid() != 0) {
        close(listener);
        print_message("skipped: this kernel wants CAP_NET_ADMIN for it\n");
        skip();
    }
    assert_int_equal(result, 0);
}

static void refusing_new_serves_the_old_and_the_queued(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    int client = connect_to(&address), host = accept_one(listener, NULL);
    int queued = connect_to(&address);
    refuse_new_or_skip(listener);

    int refused = start_connect(&address);
    assert_false(is_ready(refused, POLLOUT, SILENCE_MS));
    assert_flows(client, host);
    assert_flows(host, client);
    assert_int_equal(sock_queue_length(listener), 1);
    int queued_host = accept_one(listener, NULL);
    assert_flows(queued, queued_host); /* it was accepted with the filter on it */
    assert_flows(queued_host, queued);
    assert_int_equal(shutdown(queued, SHUT_WR), 0);
    char byte;
    assert_true(is_ready(queued_host, POLLIN, PATIENCE_MS));
    assert_int_equal(recv(queued_host, &byte, 1, 0), 0);

    assert_int_equal(sock_queue_length(listener), 0);
    assert_false(is_ready(refused, POLLOUT, 0));
    close_all((const int[]){refused, queued_host, queued, host, client, listener}, 6);
}

/* From now on a handshake is over for the listener only when data arrives. */
static void defer_accept(int listener)
{
    const int seconds = 30;
    assert_int_equal(
        setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
}

static void half_open_connections_finish_while_refusing_new(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    defer_accept(listener);
    int client = connect_to(&address);
    assert_int_equal(sock_queue_length(listener), 0);
    refuse_new_or_skip(listener);
    assert_int_equal(send(client, "!", 1, MSG_NOSIGNAL), 1);
    int host = accept_one(listener, NULL);
    char byte;
    assert_int_equal(recv(host, &byte, 1, 0), 1);
    close_all((const int[]){host, client, listener}, 3);
}

#define MEMBERS 4

/* A reuseport group of one address, in the order of listening. */
static void open_group(int members[MEMBERS], struct addr *address)
{
    members[0] = open_listening(address);
    for (int i = 1; i < MEMBERS; i++)
        members[i] = open_bound(address);
    for (int i = 1; i < MEMBERS; i++)
        assert_int_equal(sock_listen(members[i], 64), 0);
}

/* Makes n connections and closes them again; counts[i] grows by those that member i got. */
static void spread_connections(const int members[MEMBERS], const struct addr *address, int n,
                               int counts[MEMBERS])
{
    for (int i = 0; i < n; i++) {
        int client = connect_to(address), n_found = 0;
        for (int m = 0; m < MEMBERS; m++) {
            int host = sock_accept(members[m], NULL);
            if (host < 0)
                continue;
            sock_arm_reset(host);
            close(host);
            counts[m]++;
            n_found++;
        }
        assert_int_equal(n_found, 1);
        close(client);
    }
}

static void steering_reaches_exactly_the_named_members(void **state)
{
    (void)state;
    struct addr address;
    int members[MEMBERS], counts[MEMBERS] = {0};
    open_group(members, &address);
    assert_int_equal(sock_steer(members[0], (const uint16_t[]){1, 3}, 2), 0);
    spread_connections(members, &address, 200, counts);
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[2], 0);
    assert_in_range(counts[1], 50, 150); /* seven standard deviations either way */
    assert_int_equal(counts[1] + counts[3], 200);

    memset(counts, 0, sizeof counts);
    assert_int_equal(sock_steer(members[2], (const uint16_t[]){2}, 1), 0); /* by any member */
    spread_connections(members, &address, 50, counts);
    assert_int_equal(counts[2], 50);
    close_all(members, MEMBERS);
}

static void steering_ends_with_no_member_named(void **state)
{
    (void)state;
    struct addr address;
    int members[MEMBERS], counts[MEMBERS] = {0};
    open_group(members, &address);
    assert_int_equal(sock_steer(members[0], (const uint16_t[]){0}, 1), 0);
    assert_int_equal(sock_steer(members[0], NULL, 0), 0);
    spread_connections(members, &address, 200, counts);
    for (int i = 0; i < MEMBERS; i++)
        assert_in_range(counts[i], 10, 190);
    assert_int_equal(sock_steer(members[0], NULL, 0), 0); /* without a program too */
    close_all(members, MEMBERS);
}

static void steering_follows_the_hole_a_close_makes(void **state)
{
    (void)state;
    struct addr address;
    int members[MEMBERS], counts[MEMBERS] = {0};
    open_group(members, &address);
    assert_int_equal(sock_steer(members[0], (const uint16_t[]){1}, 1), 0);
    close(members[1]);
    members[1] = members[3]; /* the last moves into the hole */
    members[3] = -1;
    spread_connections(members, &address, 50, counts);
    assert_int_equal(counts[1], 50);
    close_all(members, 3);
}

static void steering_takes_up_to_256_members(void **state)
{
    (void)state;
    struct addr address;
    int members[MEMBERS], counts[MEMBERS] = {0};
    uint16_t indexes[257];
    open_group(members, &address);
    for (size_t i = 0; i < 257; i++)
        indexes[i] = i % 2 == 0 ? 2 : 0;
    assert_int_equal(sock_steer(members[0], indexes, 256), 0);
    spread_connections(members, &address, 100, counts);
    assert_int_equal(counts[1] + counts[3], 0);
    assert_in_range(counts[0], 10, 90);
    errno = 0;
    assert_int_equal(sock_steer(members[0], indexes, 257), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sock_steer(members[0], indexes, -1), -1);
    close_all(members, MEMBERS);
}

/* One that is put off, one queued at each member: nobody gets a new one, all queued ones live. */
static void assert_sink_swallows(int members[MEMBERS], const struct addr *address)
{
    uint16_t all[MEMBERS];
    int queued[MEMBERS], refused[8];
    for (uint16_t i = 0; i < MEMBERS; i++) {
        all[i] = i;
        assert_int_equal(sock_steer(members[0], &all[i], 1), 0);
        queued[i] = connect_to(address);
        assert_int_equal(sock_queue_length(members[i]), 1);
    }
    int sink = sock_open_sink(members[0], MEMBERS);
    assert_true(sink >= 0);
    for (int i = 0; i < 8; i++)
        refused[i] = start_connect(address);
    assert_false(is_ready(refused[0], POLLOUT, SILENCE_MS));
    for (int i = 0; i < 8; i++)
        assert_false(is_ready(refused[i], POLLOUT, 0));
    for (int i = 0; i < MEMBERS; i++) {
        int host = accept_one(members[i], NULL);
        assert_flows(queued[i], host);
        assert_flows(host, queued[i]);
        close(host);
        assert_int_equal(sock_queue_length(members[i]), 0);
    }
    assert_int_equal(sock_queue_length(sink), 0);
    close_all(refused, 8);
    close_all(queued, MEMBERS);
    close_all(members, MEMBERS);
    close(sink);
}

static void sink_swallows_new_and_leaves_the_queued(void **state)
{
    (void)state;
    struct addr address;
    int members[MEMBERS];
    open_group(members, &address);
    assert_sink_swallows(members, &address);
}

static void sink_of_the_wildcard_swallows_both_families(void **state)
{
    (void)state;
    struct addr any = {.in6 = {.sin6_family = AF_INET6}, .length = sizeof any.in6};
    int member = open_bound(&any);
    assert_int_equal(sock_listen(member, 8), 0);
    any = bound_address(member);
    int sink = sock_open_sink(member, 1);
    assert_true(sink >= 0);
    struct addr v4 = loopback_v4(addr_port(&any)), v6 = any;
    int over_v4 = start_connect(&v4), over_v6 = over_v4;
    if (any.any.sa_family == AF_INET6) { /* else the machine has no IPv6 */
        v6.in6.sin6_addr = in6addr_loopback;
        over_v6 = start_connect(&v6);
    }
    assert_false(is_ready(over_v4, POLLOUT, SILENCE_MS));
    assert_false(is_ready(over_v6, POLLOUT, 0));
    if (over_v6 != over_v4)
        close(over_v6);
    close_all((const int[]){over_v4, member, sink}, 3);
}

static void half_open_connections_finish_beside_a_sink(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    defer_accept(listener);
    int client = connect_to(&address);
    assert_int_equal(sock_queue_length(listener), 0);
    int sink = sock_open_sink(listener, 1);
    assert_true(sink >= 0);
    assert_int_equal(send(client, "!", 1, MSG_NOSIGNAL), 1);
    int host = accept_one(listener, NULL);
    char byte;
    assert_int_equal(recv(host, &byte, 1, 0), 1);
    assert_flows(client, host); /* nothing of the sink's has come upon it */
    close_all((const int[]){host, client, listener, sink}, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_length_counts_waiting_connections),
        cmocka_unit_test(refusing_new_serves_the_old_and_the_queued),
        cmocka_unit_test(half_open_connections_finish_while_refusing_new),
        cmocka_unit_test(steering_reaches_exactly_the_named_members),
        cmocka_unit_test(steering_ends_with_no_member_named),
        cmocka_unit_test(steering_follows_the_hole_a_close_makes),
        cmocka_unit_test(steering_takes_up_to_256_members),
        cmocka_unit_test(sink_swallows_new_and_leaves_the_queued),
        cmocka_unit_test(sink_of_the_wildcard_swallows_both_families),
        cmocka_unit_test(half_open_connections_finish_beside_a_sink),
    };
    return cmocka_run_group_tests_name("sock_queue", tests, NULL, NULL);
}

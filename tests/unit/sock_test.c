/* SPDX-License-Identifier: MIT */
/* Tests of net/sock: single sockets, on the loopback interface. */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sock_rig.h"

static struct addr loopback_v6(uint16_t port)
{
    return (struct addr){.in6 = {.sin6_family = AF_INET6,
                                 .sin6_port = htons(port),
                                 .sin6_addr = IN6ADDR_LOOPBACK_INIT},
                         .length = sizeof(struct sockaddr_in6)};
}

static struct addr wildcard(void)
{
    return (struct addr){.in6 = {.sin6_family = AF_INET6},
                         .length = sizeof(struct sockaddr_in6)};
}

static void assert_nonblocking_close_on_exec(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void every_descriptor_is_nonblocking_close_on_exec(void **state)
{
    (void)state;
    struct addr address, peer;
    int listener = open_listening(&address);
    int client = connect_to(&address), host = accept_one(listener, &peer);
    int stream = sock_open_stream(AF_UNIX);
    assert_nonblocking_close_on_exec(listener);
    assert_nonblocking_close_on_exec(client);
    assert_nonblocking_close_on_exec(host);
    assert_nonblocking_close_on_exec(stream);
    close_all((const int[]){stream, host, client, listener}, 4);
}

static void accepting_tells_the_peer(void **state)
{
    (void)state;
    struct addr address, peer;
    int listener = open_listening(&address);
    int client = connect_to(&address), host = accept_one(listener, &peer);
    struct addr expected = bound_address(client);
    assert_true(addr_is_equal(&peer, &expected));
    assert_int_equal(peer.length, expected.length);
    int second = connect_to(&address), second_host = accept_one(listener, NULL);
    assert_flows(second, second_host);
    errno = 0;
    assert_int_equal(sock_accept(listener, &peer), -1);
    assert_int_equal(errno, EAGAIN);
    close_all((const int[]){second_host, second, host, client, listener}, 5);
}

static void wildcard_takes_both_families(void **state)
{
    (void)state;
    struct addr any = wildcard(), peer;
    int listener = open_bound(&any);
    assert_int_equal(sock_listen(listener, 8), 0);
    any = bound_address(listener);
    struct addr v4 = loopback_v4(addr_port(&any)), v6 = loopback_v6(addr_port(&any));
    int client = connect_to(&v4), host = accept_one(listener, &peer);
    assert_int_equal(peer.any.sa_family, AF_INET); /* unmapped */
    assert_true(addr_is_loopback(&peer));
    close(client);
    close(host);
    if (any.any.sa_family == AF_INET6) { /* else the machine has no IPv6 */
        client = connect_to(&v6);
        host = accept_one(listener, &peer);
        assert_int_equal(peer.any.sa_family, AF_INET6);
        close(client);
        close(host);
    }
    close(listener);
}

static void other_ipv6_addresses_leave_ipv4_alone(void **state)
{
    (void)state;
    struct addr v6 = loopback_v6(0);
    int listener = sock_open_listener(&v6, NULL);
    if (listener < 0) {
        print_message("skipped: there is no IPv6 here\n");
        skip();
    }
    assert_int_equal(get_int(listener, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    assert_int_equal(sock_listen(listener, 8), 0);
    v6 = bound_address(listener);
    struct addr v4 = loopback_v4(addr_port(&v6));
    int client = start_connect(&v4);
    assert_true(is_ready(client, POLLOUT, PATIENCE_MS));
    assert_int_equal(sock_take_error(client), ECONNREFUSED);
    assert_int_equal(sock_take_error(client), 0); /* taken */
    close(client);
    close(listener);
}

static void listener_binds_to_an_interface(void **state)
{
    (void)state;
    struct addr address = loopback_v4(0);
    errno = 0;
    assert_int_equal(sock_open_listener(&address, "nosuchif"), -1);
    assert_int_equal(errno, ENODEV);
    int listener = sock_open_listener(&address, "lo");
    assert_true(listener >= 0);
    char name[16] = "";
    socklen_t length = sizeof name;
    assert_int_equal(getsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, name, &length), 0);
    assert_string_equal(name, "lo");
    close(listener);
    listener = sock_open_listener(&address, "");
    assert_true(listener >= 0);
    close(listener);
}

static void address_that_is_not_ours_cannot_be_bound(void **state)
{
    (void)state;
    struct addr address = loopback_v4(0);
    inet_pton(AF_INET, "192.0.2.1", &address.in.sin_addr);
    errno = 0;
    assert_int_equal(sock_open_listener(&address, NULL), -1);
    assert_int_equal(errno, EADDRNOTAVAIL);
    errno = 0;
    assert_false(sock_is_free(&address, NULL));
    assert_int_equal(errno, EADDRNOTAVAIL);
}

static void address_is_free_until_somebody_listens(void **state)
{
    (void)state;
    struct addr address = loopback_v4(0);
    int listener = open_bound(&address);
    address = bound_address(listener);
    assert_int_equal(sock_listen(listener, 8), 0);
    errno = 0;
    assert_false(sock_is_free(&address, NULL)); /* though SO_REUSEPORT would share it */
    assert_int_equal(errno, EADDRINUSE);
    int second = open_bound(&address);
    close(second);
    close(listener);
    assert_true(sock_is_free(&address, NULL));
}

static void old_connections_do_not_hold_an_address(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    int client = connect_to(&address), host = accept_one(listener, NULL);
    close(host); /* the first to close stays behind in TIME_WAIT, on the listener's address */
    assert_true(is_ready(client, POLLIN, PATIENCE_MS));
    close(client);
    close(listener);
    assert_true(sock_is_free(&address, NULL));
}

static void options_are_inherited_from_the_listener(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    const struct sock_options options = {
        .nodelay = true, .keepalive = true, .user_timeout_ms = 4711, .congestion = "reno"};
    assert_int_equal(sock_tune(listener, &options), 0);
    int client = connect_to(&address), host = accept_one(listener, NULL);
    char congestion[16] = "";
    socklen_t length = sizeof congestion;
    assert_int_equal(get_int(host, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_int(host, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_int(host, IPPROTO_TCP, TCP_USER_TIMEOUT), 4711);
    assert_int_equal(getsockopt(host, IPPROTO_TCP, TCP_CONGESTION, congestion, &length), 0);
    assert_string_equal(congestion, "reno");
    close_all((const int[]){host, client, listener}, 3);
}

static void assert_as_the_kernel_made_it(int fd)
{
    int fresh = sock_open_stream(AF_INET);
    char expected[16] = "", congestion[16] = "";
    socklen_t length = sizeof expected;
    assert_int_equal(getsockopt(fresh, IPPROTO_TCP, TCP_CONGESTION, expected, &length), 0);
    length = sizeof congestion;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &length), 0);
    assert_string_equal(congestion, expected);
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    close(fresh);
}

static void tuning_anew_takes_options_back(void **state)
{
    (void)state;
    int fd = sock_open_stream(AF_INET);
    const struct sock_options options = {
        .nodelay = true, .keepalive = true, .user_timeout_ms = 4711, .congestion = "reno"};
    const struct sock_options none = {.congestion = ""};
    assert_int_equal(sock_tune(fd, &options), 0);
    assert_int_equal(sock_tune(fd, &none), 0);
    assert_as_the_kernel_made_it(fd);
    close(fd);
}

static void tuning_a_fresh_socket_sets_what_is_asked(void **state)
{
    (void)state;
    int fd = sock_open_stream(AF_INET);
    const struct sock_options none = {0};
    const struct sock_options options = {
        .nodelay = true, .keepalive = true, .user_timeout_ms = INT64_MAX, .congestion = "reno"};
    assert_int_equal(sock_tune_fresh(fd, &none), 0);
    assert_as_the_kernel_made_it(fd);
    assert_int_equal(sock_tune_fresh(fd, &options), 0);
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), INT32_MAX);
    close(fd);
}

static void unknown_congestion_control_is_an_error(void **state)
{
    (void)state;
    int fd = sock_open_stream(AF_INET);
    const struct sock_options options = {.congestion = "nosuchcontrol"};
    errno = 0;
    assert_int_equal(sock_tune(fd, &options), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(sock_tune_fresh(fd, &options), -1);
    close(fd);
}

static void recycled_socket_connects_anew(void **state)
{
    (void)state;
    struct addr first, second;
    int first_listener = open_listening(&first), second_listener = open_listening(&second);
    int fd = sock_open_stream(AF_INET);
    const struct sock_options options = {.nodelay = true};
    assert_int_equal(sock_tune_fresh(fd, &options), 0);
    for (int round = 0; round < 20; round++) {
        bool is_first = round % 2 == 0;
        const struct addr *address = is_first ? &first : &second;
        int result = connect(fd, &address->any, address->length);
        assert_true(result == 0 || errno == EINPROGRESS);
        int host = accept_one(is_first ? first_listener : second_listener, NULL);
        assert_true(is_ready(fd, POLLOUT, PATIENCE_MS));
        assert_flows(fd, host);
        assert_flows(host, fd);
        /* Our side closes first, then theirs: the end of a connection that went well. */
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        close(host);
        char byte;
        assert_true(is_ready(fd, POLLIN, PATIENCE_MS));
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        assert_int_equal(sock_recycle(fd), 0);
        assert_int_equal(sock_take_error(fd), 0);
    }
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1); /* tuned once for all */
    close_all((const int[]){fd, second_listener, first_listener}, 3);
}

static void recycled_socket_forgets_a_failed_connect(void **state)
{
    (void)state;
    struct addr address, nobody;
    int closed = open_listening(&nobody);
    close(closed);
    int listener = open_listening(&address);
    int fd = sock_open_stream(AF_INET);
    if (connect(fd, &nobody.any, nobody.length) < 0 && errno == EINPROGRESS) {
        assert_true(is_ready(fd, POLLOUT, PATIENCE_MS));
        assert_int_equal(sock_take_error(fd), ECONNREFUSED);
    }
    assert_int_equal(sock_recycle(fd), 0);
    int result = connect(fd, &address.any, address.length);
    assert_true(result == 0 || errno == EINPROGRESS);
    int host = accept_one(listener, NULL);
    assert_flows(fd, host);
    close_all((const int[]){host, fd, listener}, 3);
}

static void armed_socket_closes_with_a_reset(void **state)
{
    (void)state;
    struct addr address;
    int listener = open_listening(&address);
    int client = connect_to(&address), host = accept_one(listener, NULL);
    sock_arm_reset(host);
    close(host);
    char byte;
    assert_true(is_ready(client, POLLIN, PATIENCE_MS));
    errno = 0;
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    close(listener);
}

/* In a network of its own where nothing leads anywhere. */
static int look_from_nowhere(const struct addr *address)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 && unshare(CLONE_NEWNET) != 0)
        return 2;
    return sock_has_route(address) ? 1 : 0;
}

static void knows_where_no_route_leads(void **state)
{
    (void)state;
    struct addr near = {.in = {.sin_family = AF_INET}, .length = sizeof near.in};
    near.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(sock_has_route(&near));
    struct addr far = near;
    far.in.sin_addr.s_addr = htonl(0xc0000201);
    pid_t child = fork();
    if (child == 0)
        _exit(look_from_nowhere(&far));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 2) {
        print_message("skipped: no network namespace can be made here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void tells_its_own_shortage_from_the_hosts_faults(void **state)
{
    (void)state;
    static const int own[] = {EMFILE,        ENFILE, ENOBUFS,     ENOMEM,
                              EADDRNOTAVAIL, EAGAIN, EAFNOSUPPORT};
    static const int hosts[] = {0,           ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH,
                                ENETUNREACH, EPIPE};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_true(sock_is_shortage(own[i]));
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_false(sock_is_shortage(hosts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_is_nonblocking_close_on_exec),
        cmocka_unit_test(accepting_tells_the_peer),
        cmocka_unit_test(wildcard_takes_both_families),
        cmocka_unit_test(other_ipv6_addresses_leave_ipv4_alone),
        cmocka_unit_test(listener_binds_to_an_interface),
        cmocka_unit_test(address_that_is_not_ours_cannot_be_bound),
        cmocka_unit_test(address_is_free_until_somebody_listens),
        cmocka_unit_test(old_connections_do_not_hold_an_address),
        cmocka_unit_test(options_are_inherited_from_the_listener),
        cmocka_unit_test(tuning_anew_takes_options_back),
        cmocka_unit_test(tuning_a_fresh_socket_sets_what_is_asked),
        cmocka_unit_test(unknown_congestion_control_is_an_error),
        cmocka_unit_test(recycled_socket_connects_anew),
        cmocka_unit_test(recycled_socket_forgets_a_failed_connect),
        cmocka_unit_test(armed_socket_closes_with_a_reset),
        cmocka_unit_test(tells_its_own_shortage_from_the_hosts_faults),
        cmocka_unit_test(knows_where_no_route_leads),
    };
    return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}

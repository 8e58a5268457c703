/* SPDX-License-Identifier: MIT */
/* Connections over loopback for the tests of net/sock. */
#ifndef TESTS_UNIT_SOCK_RIG_H
#define TESTS_UNIT_SOCK_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/sock.h"

#define PATIENCE_MS 20000

static inline struct addr loopback_v4(uint16_t port)
{
    return (struct addr){.in = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}},
                         .length = sizeof(struct sockaddr_in)};
}

static inline struct addr bound_address(int fd)
{
    struct addr address = {.length = sizeof address.un};
    assert_int_equal(getsockname(fd, &address.any, &address.length), 0);
    return address;
}

static inline int open_bound(const struct addr *address)
{
    int fd = sock_open_listener(address, NULL);
    assert_true(fd >= 0);
    return fd;
}

/* A listener on a free port of 127.0.0.1. */
static inline int open_listening(struct addr *address)
{
    *address = loopback_v4(0);
    int fd = open_bound(address);
    assert_int_equal(sock_listen(fd, 64), 0);
    *address = bound_address(fd);
    return fd;
}

static inline void close_all(const int *fds, int n_fds)
{
    for (int i = 0; i < n_fds; i++)
        close(fds[i]);
}

static inline bool is_ready(int fd, short events, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    return poll(&pollfd, 1, timeout_ms) == 1;
}

static inline int start_connect(const struct addr *address)
{
    int fd = sock_open_stream(address->any.sa_family);
    assert_true(fd >= 0);
    int result = connect(fd, &address->any, address->length);
    assert_true(result == 0 || errno == EINPROGRESS);
    return fd;
}

static inline int connect_to(const struct addr *address)
{
    int fd = start_connect(address);
    assert_true(is_ready(fd, POLLOUT, PATIENCE_MS));
    assert_int_equal(sock_take_error(fd), 0);
    return fd;
}

static inline int accept_one(int listener, struct addr *peer)
{
    assert_true(is_ready(listener, POLLIN, PATIENCE_MS));
    int fd = sock_accept(listener, peer);
    assert_true(fd >= 0);
    return fd;
}

/* A byte from one end arrives at the other. */
static inline void assert_flows(int from, int to)
{
    char byte = 0;
    assert_int_equal(send(from, "!", 1, MSG_NOSIGNAL), 1);
    assert_true(is_ready(to, POLLIN, PATIENCE_MS));
    assert_int_equal(recv(to, &byte, 1, 0), 1);
    assert_int_equal(byte, '!');
}

static inline int get_int(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
    return value;
}

#endif

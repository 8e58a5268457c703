/* SPDX-License-Identifier: MIT */
/* The tunnel: every byte in order whatever the writer takes, by copying, by splicing, over the change between. */
#include "relay/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/plain.h"

enum { SCRATCH = 65536 };

/* client and host halves on two socket pairs; outside[] are the far ends. */
struct fixture {
    struct relay relay;
    struct conn c;
    int outside_client, outside_host;
};

static void join(struct half *half, struct half *peer, int fds[2], int *outside)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    half->io = &plain_transport;
    half->peer = peer;
    half->watch.fd = fds[0];
    *outside = fds[1];
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int fds[2];

    f->relay.scratch = malloc(SCRATCH);
    f->relay.scratch_bytes = SCRATCH;
    pool_init(&f->relay.buffers, SCRATCH, 2);
    splice_init(&f->relay.pipes, 4);
    f->c.client.is_client = true;
    join(&f->c.client, &f->c.host, fds, &f->outside_client);
    join(&f->c.host, &f->c.client, fds, &f->outside_host);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tunnel_drop(&f->relay, &f->c.client);
    tunnel_drop(&f->relay, &f->c.host);
    close(f->c.client.watch.fd);
    close(f->c.host.watch.fd);
    close(f->outside_client);
    close(f->outside_host);
    splice_fini(&f->relay.pipes);
    pool_fini(&f->relay.buffers);
    free(f->relay.scratch);
    free(f);
    return 0;
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)((at * 2654435761u) >> 13);
}

/* Sends up to length pattern bytes; returns how many the socket took. */
static size_t send_pattern(int fd, size_t from, size_t length)
{
    static unsigned char bytes[1 << 17];
    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(from + i);
    ssize_t n = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? (size_t)n : 0;
}

static size_t expect_pattern(int fd, size_t from, size_t most)
{
    static unsigned char bytes[1 << 17];
    ssize_t n = recv(fd, bytes, most, MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], pattern(from + (size_t)i));
    return n > 0 ? (size_t)n : 0;
}

static void pump_as_the_loop_would(struct fixture *f)
{
    if (tunnel_holds(&f->c.client))
        assert_int_equal(tunnel_flush(&f->relay, &f->c.client), TUNNEL_GOING);
    if (!tunnel_holds(&f->c.client))
        assert_int_equal(tunnel_pump(&f->relay, &f->c.client, 1 << 20), TUNNEL_GOING);
}

/* Sends total bytes in pieces, reads them in other pieces, and sees each byte once in order. */
static void carry(struct fixture *f, size_t total, size_t piece, size_t sip)
{
    size_t sent = 0, got = 0;
    for (int idle = 0; got < total && idle < 1000; idle++) {
        size_t before = got;
        if (sent < total)
            sent += send_pattern(f->outside_client, sent,
                                 total - sent < piece ? total - sent : piece);
        pump_as_the_loop_would(f);
        got += expect_pattern(f->outside_host, got, sip);
        if (got > before)
            idle = 0;
    }
    assert_int_equal(got, total);
    assert_int_equal(f->c.client.in_bytes, total);
    assert_false(tunnel_holds(&f->c.client));
}

static void carries_small_messages(void **state)
{
    carry(*state, 100000, 64, 4096);
    assert_false(((struct fixture *)*state)->c.client.is_bulk);
}

static void carries_past_a_slow_reader(void **state)
{
    carry(*state, 4 << 20, 100000, 777);
}

static void turns_to_splicing_when_much_flows(void **state)
{
    struct fixture *f = *state;
    carry(f, 4 << 20, 1 << 17, 1 << 17);
    assert_true(f->c.client.is_bulk);
    assert_int_equal(f->relay.pipes.n_made, 1);
}

static void turns_back_to_copying_when_little_flows(void **state)
{
    struct fixture *f = *state;
    size_t start = 4 << 20;
    carry(f, start, 1 << 17, 1 << 17);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(send_pattern(f->outside_client, start + i * 100, 100), 100);
        pump_as_the_loop_would(f);
        assert_int_equal(expect_pattern(f->outside_host, start + i * 100, 100), 100);
    }
    assert_false(f->c.client.is_bulk);
}

/* Joins two TCP sockets in place of the client's pair. */
static void use_tcp(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    close(f->c.client.watch.fd);
    close(f->outside_client);
    f->outside_client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(f->outside_client, (struct sockaddr *)&address, length), 0);
    f->c.client.watch.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(f->c.client.watch.fd >= 0);
    close(listener);
}

static void urgent_byte_does_not_stop_a_bulk_stream(void **state)
{
    struct fixture *f = *state;
    struct pollfd readable = {.events = POLLIN};
    size_t got = 0, sent;

    use_tcp(f);
    readable.fd = f->c.client.watch.fd;
    f->c.client.is_bulk = true;
    sent = send_pattern(f->outside_client, 0, 20000);
    assert_int_equal(send(f->outside_client, "!", 1, MSG_OOB), 1);
    sent += send_pattern(f->outside_client, sent, 20000);
    assert_int_equal(sent, 40000);
    int turns = 0;
    while (poll(&readable, 1, 200) > 0 && turns++ < 50) {
        pump_as_the_loop_would(f);
        got += expect_pattern(f->outside_host, got, 1 << 17);
    }
    assert_int_equal(got, sent); /* the urgent byte is no part of the stream */
    assert_true(turns < 20);
}

static void goes_on_copying_without_pipes(void **state)
{
    struct fixture *f = *state;
    f->relay.pipes.most = 0;
    carry(f, 2 << 20, 1 << 17, 1 << 17);
    assert_int_equal(f->relay.pipes.n_made, 0);
}

static void idle_connection_holds_no_storage(void **state)
{
    struct fixture *f = *state;
    carry(f, 2 << 20, 100000, 5000);
    assert_null(f->c.client.wait.storage);
    assert_null(f->c.client.pipe);
    assert_int_equal(f->relay.buffers.taken, 0);
}

static void end_comes_after_every_byte(void **state)
{
    struct fixture *f = *state;
    size_t sent = send_pattern(f->outside_client, 0, 50000);
    shutdown(f->outside_client, SHUT_WR);
    for (int i = 0; i < 100 && !f->c.client.eof; i++)
        pump_as_the_loop_would(f);
    assert_true(f->c.client.eof);
    assert_int_equal(f->c.client.in_bytes, sent);
    assert_int_equal(expect_pattern(f->outside_host, 0, 1 << 17), sent);
}

static void closed_writer_is_told_apart_from_a_failed_reader(void **state)
{
    struct fixture *f = *state;
    close(f->outside_host);
    assert_int_equal(send_pattern(f->outside_client, 0, 10), 10);
    assert_int_equal(tunnel_pump(&f->relay, &f->c.client, 1 << 20), TUNNEL_WRITE_FAILED);
    f->outside_host = dup(f->outside_client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(carries_small_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(carries_past_a_slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(turns_to_splicing_when_much_flows, setup, teardown),
        cmocka_unit_test_setup_teardown(turns_back_to_copying_when_little_flows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(urgent_byte_does_not_stop_a_bulk_stream, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(goes_on_copying_without_pipes, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_connection_holds_no_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(end_comes_after_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(closed_writer_is_told_apart_from_a_failed_reader, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

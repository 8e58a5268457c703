/* SPDX-License-Identifier: MIT */
/* Pipes for splicing: lent and given back, bounded; every byte through them in order. */
#include "relay/splice.h"

#include <fcntl.h>
#include <signal.h>

#include "sock_rig.h"

enum { NEAR, FAR };

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void open_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                     0);
}

static void close_pair(const int fds[2])
{
    close(fds[NEAR]);
    close(fds[FAR]);
}

static void lends_one_pipe_again_and_again(void **state)
{
    struct splice_pool pool;

    (void)state;
    splice_init(&pool, 4);
    struct splice_pipe *first = splice_take(&pool);
    assert_non_null(first);
    for (int i = 0; i < 10; i++) {
        splice_give(&pool, first);
        assert_ptr_equal(splice_take(&pool), first);
        assert_null(first->next);
    }
    assert_int_equal(pool.n_made, 1);
    splice_give(&pool, first);
    splice_fini(&pool);
    assert_int_equal(pool.n_made, 0);
}

static void pipes_neither_block_nor_leak_to_children(void **state)
{
    struct splice_pool pool;

    (void)state;
    splice_init(&pool, 1);
    struct splice_pipe *pipe = splice_take(&pool);
    assert_true((fcntl(pipe->read_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(pipe->write_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(pipe->read_fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(pipe->write_fd, F_GETFD) & FD_CLOEXEC) != 0);
    /* Larger than the system's 64 KB, or splicing is not worth it. */
    assert_true(fcntl(pipe->write_fd, F_GETPIPE_SZ) >= 1 << 18);
    splice_give(&pool, pipe);
    splice_fini(&pool);
}

static void lends_no_more_than_asked_for(void **state)
{
    struct splice_pool pool;

    (void)state;
    splice_init(&pool, 2);
    struct splice_pipe *a = splice_take(&pool), *b = splice_take(&pool);
    assert_non_null(b);
    assert_null(splice_take(&pool));
    splice_give(&pool, a);
    assert_ptr_equal(splice_take(&pool), a);
    splice_give(&pool, a);
    splice_give(&pool, b);
    assert_ptr_equal(splice_take(&pool), b);
    assert_ptr_equal(splice_take(&pool), a);
    splice_give(&pool, a);
    splice_give(&pool, b);
    splice_fini(&pool);
    splice_init(&pool, 1000000);
    assert_int_equal(pool.most, SPLICE_PIPES_MOST);
}

static void fini_closes_every_pipe(void **state)
{
    struct splice_pool pool;
    struct splice_pipe *pipes[3];
    int fds[6];

    (void)state;
    splice_init(&pool, 3);
    for (int i = 0; i < 3; i++) {
        pipes[i] = splice_take(&pool);
        fds[2 * i] = pipes[i]->read_fd;
        fds[2 * i + 1] = pipes[i]->write_fd;
    }
    for (int i = 0; i < 3; i++)
        splice_give(&pool, pipes[i]);
    splice_fini(&pool);
    for (int i = 0; i < 6; i++)
        assert_false(is_open(fds[i]));
}

static void pipe_that_holds_bytes_is_not_lent_again(void **state)
{
    struct splice_pool pool;
    int pair[2];
    size_t length = 0;

    (void)state;
    splice_init(&pool, 1);
    open_pair(pair);
    struct splice_pipe *pipe = splice_take(&pool);
    int read_fd = pipe->read_fd, write_fd = pipe->write_fd;
    assert_int_equal(write(pair[FAR], "secret", 6), 6);
    assert_int_equal(splice_fill(pipe, pair[NEAR], &length), IO_OK);
    splice_give(&pool, pipe);
    assert_int_equal(pool.n_made, 0);
    assert_false(is_open(read_fd));
    assert_false(is_open(write_fd));
    pipe = splice_take(&pool);
    assert_non_null(pipe);
    char byte;
    assert_int_equal(read(pipe->read_fd, &byte, 1), -1);
    splice_give(&pool, pipe);
    splice_fini(&pool);
    close_pair(pair);
}

static void fill_tells_dry_ended_broken(void **state)
{
    struct splice_pool pool;
    int pair[2];
    size_t length = 77;

    (void)state;
    splice_init(&pool, 1);
    struct splice_pipe *pipe = splice_take(&pool);
    open_pair(pair);
    assert_int_equal(splice_fill(pipe, pair[NEAR], &length), IO_AGAIN);
    assert_int_equal(write(pair[FAR], "abc", 3), 3);
    shutdown(pair[FAR], SHUT_WR);
    assert_int_equal(splice_fill(pipe, pair[NEAR], &length), IO_OK);
    assert_int_equal(length, 3);
    assert_int_equal(pipe->held_bytes, 3);
    assert_int_equal(splice_drain(pipe, pair[NEAR]), IO_OK);
    assert_int_equal(pipe->held_bytes, 0);
    assert_int_equal(splice_fill(pipe, pair[NEAR], &length), IO_EOF);
    assert_int_equal(pipe->held_bytes, 0);
    close_pair(pair);
    assert_int_equal(splice_fill(pipe, pair[NEAR], &length), IO_ERROR);
    assert_int_equal(errno, EBADF);
    splice_give(&pool, pipe);
    splice_fini(&pool);
}

/* A connection over loopback that holds little: the near end is written, the far end read. */
static void open_narrow(int fds[2])
{
    struct addr address;
    int few = 4096, door = open_listening(&address);

    assert_int_equal(setsockopt(door, SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
    fds[NEAR] = connect_to(&address);
    assert_int_equal(setsockopt(fds[NEAR], SOL_SOCKET, SO_SNDBUF, &few, sizeof few), 0);
    fds[FAR] = accept_one(door, NULL);
    close(door);
}

static void slow_reader_gets_the_rest_later_in_order(void **state)
{
    struct splice_pool pool;
    int from[2], to[2];
    unsigned char sent[60000], got[60000];
    size_t length = 0, n = 0;
    int n_full = 0;

    (void)state;
    splice_init(&pool, 1);
    struct splice_pipe *pipe = splice_take(&pool);
    open_pair(from);
    open_narrow(to);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)((i * 2654435761u) >> 11);
    assert_int_equal(write(from[FAR], sent, sizeof sent), sizeof sent);
    assert_int_equal(splice_fill(pipe, from[NEAR], &length), IO_OK);
    assert_int_equal(pipe->held_bytes, length);
    while (n < length) {
        enum io io = splice_drain(pipe, to[NEAR]);
        assert_int_equal(io, pipe->held_bytes == 0 ? IO_OK : IO_AGAIN);
        n_full += io == IO_AGAIN;
        assert_true(is_ready(to[FAR], POLLIN, PATIENCE_MS));
        ssize_t more = read(to[FAR], got + n, sizeof got - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_true(n_full > 0);
    assert_int_equal(n, length);
    assert_memory_equal(sent, got, length);
    splice_give(&pool, pipe);
    splice_fini(&pool);
    close_pair(from);
    close_pair(to);
}

static void drain_tells_a_closed_writer(void **state)
{
    struct splice_pool pool;
    int from[2], to[2];
    size_t length = 0;

    (void)state;
    splice_init(&pool, 1);
    struct splice_pipe *pipe = splice_take(&pool);
    open_pair(from);
    open_pair(to);
    assert_int_equal(write(from[FAR], "abc", 3), 3);
    assert_int_equal(splice_fill(pipe, from[NEAR], &length), IO_OK);
    close(to[FAR]);
    assert_int_equal(splice_drain(pipe, to[NEAR]), IO_ERROR);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(pipe->held_bytes, 3);
    splice_give(&pool, pipe);
    splice_fini(&pool);
    close_pair(from);
    close(to[NEAR]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lends_one_pipe_again_and_again),
        cmocka_unit_test(pipes_neither_block_nor_leak_to_children),
        cmocka_unit_test(lends_no_more_than_asked_for),
        cmocka_unit_test(fini_closes_every_pipe),
        cmocka_unit_test(pipe_that_holds_bytes_is_not_lent_again),
        cmocka_unit_test(fill_tells_dry_ended_broken),
        cmocka_unit_test(slow_reader_gets_the_rest_later_in_order),
        cmocka_unit_test(drain_tells_a_closed_writer),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of net/plain. */
#include "net/plain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int open_pair(void **state)
{
    static int pair[2];
    *state = pair;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
    int *pair = *state;
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
    }
    return 0;
}

static const struct transport *const plain = &plain_transport;

static void is_plain_without_state(void **state)
{
    (void)state;
    assert_true(plain->is_plain);
    assert_null(plain->fini);
}

static void bytes_go_through(void **state)
{
    const int *pair = *state;
    char bytes[10];
    size_t length = 77;
    assert_int_equal(plain->write(pair[0], NULL, "hello", 5, &length), IO_OK);
    assert_int_equal(length, 5);
    assert_int_equal(plain->read(pair[1], NULL, bytes, 3, &length), IO_OK);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "hel", 3);
    assert_int_equal(plain->read(pair[1], NULL, bytes, sizeof bytes, &length), IO_OK);
    assert_int_equal(length, 2);
    assert_memory_equal(bytes, "lo", 2);
}

static void reading_nothing_is_again(void **state)
{
    const int *pair = *state;
    char byte;
    size_t length = 77;
    assert_int_equal(plain->read(pair[0], NULL, &byte, 1, &length), IO_AGAIN);
    assert_int_equal(length, 77);
}

static void full_socket_is_written_short_then_again(void **state)
{
    const int *pair = *state;
    static char bytes[4 << 20];
    size_t written = 0, total = 0;
    enum io verdict;
    int n_writes = 0;
    while ((verdict = plain->write(pair[0], NULL, bytes, sizeof bytes, &written)) == IO_OK) {
        assert_in_range(written, 1, sizeof bytes - 1);
        total += written;
        n_writes++;
    }
    assert_int_equal(verdict, IO_AGAIN);
    assert_true(n_writes >= 1);
    size_t length, got = 0;
    while (plain->read(pair[1], NULL, bytes, sizeof bytes, &length) == IO_OK)
        got += length;
    assert_int_equal(got, total);
    assert_int_equal(plain->write(pair[0], NULL, "x", 1, &written), IO_OK);
}

static void shutting_ends_one_direction_only(void **state)
{
    const int *pair = *state;
    char byte;
    size_t length;
    assert_int_equal(plain->write(pair[0], NULL, "x", 1, &length), IO_OK);
    assert_int_equal(plain->shut(pair[0], NULL), IO_OK);
    assert_int_equal(plain->read(pair[1], NULL, &byte, 1, &length), IO_OK);
    assert_int_equal(plain->read(pair[1], NULL, &byte, 1, &length), IO_EOF);
    assert_int_equal(plain->read(pair[1], NULL, &byte, 1, &length), IO_EOF);
    assert_int_equal(plain->write(pair[1], NULL, "y", 1, &length), IO_OK);
    assert_int_equal(plain->read(pair[0], NULL, &byte, 1, &length), IO_OK);
    assert_int_equal(byte, 'y');
}

static void writing_to_nobody_is_an_error_without_signal(void **state)
{
    int *pair = *state;
    size_t written;
    close(pair[1]);
    pair[1] = -1;
    errno = 0;
    assert_int_equal(plain->write(pair[0], NULL, "x", 1, &written), IO_ERROR);
    assert_int_equal(errno, EPIPE);
}

static void reset_of_the_other_side_is_an_error(void **state)
{
    int *pair = *state;
    char byte;
    size_t length;
    assert_int_equal(plain->write(pair[0], NULL, "x", 1, &length), IO_OK);
    close(pair[1]); /* with a byte unread: a reset */
    pair[1] = -1;
    errno = 0;
    assert_int_equal(plain->read(pair[0], NULL, &byte, 1, &length), IO_ERROR);
    assert_int_equal(errno, ECONNRESET);
}

static void shutting_an_unconnected_socket_is_an_error(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    errno = 0;
    assert_int_equal(plain->shut(fd, NULL), IO_ERROR);
    assert_int_equal(errno, ENOTCONN);
    close(fd);
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_plain_without_state),
        PAIR_TEST(bytes_go_through),
        PAIR_TEST(reading_nothing_is_again),
        PAIR_TEST(full_socket_is_written_short_then_again),
        PAIR_TEST(shutting_ends_one_direction_only),
        PAIR_TEST(writing_to_nobody_is_an_error_without_signal),
        PAIR_TEST(reset_of_the_other_side_is_an_error),
        cmocka_unit_test(shutting_an_unconnected_socket_is_an_error),
    };
    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}

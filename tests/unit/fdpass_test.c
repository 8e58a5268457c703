/* SPDX-License-Identifier: MIT */
/* Tests of net/fdpass. */
#include "net/fdpass.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int n_open_fds(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int open_pair(void **state)
{
    static int pair[2];
    *state = pair;
    return fdpass_pair(pair);
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

static void close_all(const int *fds, int n_fds)
{
    for (int i = 0; i < n_fds; i++)
        close(fds[i]);
}

static void pair_is_seqpacket_nonblocking_close_on_exec(void **state)
{
    const int *pair = *state;
    for (int i = 0; i < 2; i++) {
        int type;
        socklen_t length = sizeof type;
        assert_int_equal(getsockopt(pair[i], SOL_SOCKET, SO_TYPE, &type, &length), 0);
        assert_int_equal(type, SOCK_SEQPACKET);
        assert_true(fcntl(pair[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(pair[i], F_GETFD) & FD_CLOEXEC);
    }
}

static void messages_keep_their_bounds_and_order(void **state)
{
    const int *pair = *state;
    char bytes[100];
    int fds[FDPASS_MOST], n_fds = 77;
    assert_int_equal(fdpass_send(pair[0], "first", 5, NULL, 0), 0);
    assert_int_equal(fdpass_send(pair[0], "2", 1, NULL, 0), 0);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 5);
    assert_memory_equal(bytes, "first", 5);
    assert_int_equal(n_fds, 0);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 1);
    assert_memory_equal(bytes, "2", 1);
}

static void descriptors_arrive_in_order_close_on_exec(void **state)
{
    const int *pair = *state;
    int one[2], two[2], fds[FDPASS_MOST], n_fds;
    char bytes[100], byte;
    assert_int_equal(pipe(one), 0);
    assert_int_equal(pipe(two), 0);
    const int sent[] = {one[1], two[1]};
    assert_int_equal(fdpass_send(pair[0], "two", 3, sent, 2), 0);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 3);
    assert_int_equal(n_fds, 2);
    for (int i = 0; i < 2; i++)
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(fds[0], "1", 1), 1);
    assert_int_equal(write(fds[1], "2", 1), 1);
    assert_int_equal(read(one[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    assert_int_equal(read(two[0], &byte, 1), 1);
    assert_int_equal(byte, '2');
    assert_int_equal(fcntl(sent[0], F_GETFD), 0); /* still ours */
    close_all(fds, 2);
    close_all(one, 2);
    close_all(two, 2);
}

static void as_many_as_promised_travel_at_once(void **state)
{
    const int *pair = *state;
    int sent[FDPASS_MOST + 1], fds[FDPASS_MOST], n_fds;
    char byte;
    for (int i = 0; i <= FDPASS_MOST; i++)
        sent[i] = pair[0];
    int before = n_open_fds();
    errno = 0;
    assert_int_equal(fdpass_send(pair[0], "x", 1, sent, FDPASS_MOST + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fdpass_send(pair[0], "x", 1, sent, FDPASS_MOST), 0);
    assert_int_equal(fdpass_receive(pair[1], &byte, 1, fds, &n_fds), 1);
    assert_int_equal(n_fds, FDPASS_MOST);
    close_all(fds, n_fds);
    assert_int_equal(n_open_fds(), before);
}

static void empty_message_is_refused(void **state)
{
    const int *pair = *state;
    errno = 0;
    assert_int_equal(fdpass_send(pair[0], "", 0, NULL, 0), -1);
    assert_int_equal(errno, EINVAL);
}

static void nothing_waiting_is_eagain(void **state)
{
    const int *pair = *state;
    int fds[FDPASS_MOST], n_fds = 77;
    char byte;
    errno = 0;
    assert_int_equal(fdpass_receive(pair[1], &byte, 1, fds, &n_fds), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(n_fds, 0);
}

static void full_queue_is_eagain_and_loses_nothing(void **state)
{
    const int *pair = *state;
    char bytes[1000] = {0};
    int fds[FDPASS_MOST], n_fds;
    uint32_t n_sent = 0;
    for (;; n_sent++) {
        memcpy(bytes, &n_sent, sizeof n_sent);
        if (fdpass_send(pair[0], bytes, sizeof bytes, NULL, 0) < 0)
            break;
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(n_sent > 1);
    for (uint32_t i = 0; i < n_sent; i++) {
        uint32_t number;
        assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds),
                         sizeof bytes);
        memcpy(&number, bytes, sizeof number);
        assert_int_equal(number, i);
    }
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), -1);
    assert_int_equal(fdpass_send(pair[0], "again", 5, NULL, 0), 0);
}

static void cut_message_is_refused_and_its_descriptors_closed(void **state)
{
    const int *pair = *state;
    int fds[FDPASS_MOST], n_fds = 77;
    char bytes[4];
    int before = n_open_fds();
    assert_int_equal(fdpass_send(pair[0], "12345", 5, pair, 2), 0);
    errno = 0;
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(n_fds, 0);
    assert_int_equal(n_open_fds(), before);
    assert_int_equal(fdpass_send(pair[0], "1234", 4, NULL, 0), 0);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 4);
}

static void too_few_free_descriptors_are_told_and_leak_none(void **state)
{
    const int *pair = *state;
    int sent[20], fds[FDPASS_MOST], n_fds = 77;
    char byte;
    for (int i = 0; i < 20; i++)
        sent[i] = pair[0];
    int before = n_open_fds();
    assert_int_equal(fdpass_send(pair[0], "x", 1, sent, 20), 0);
    struct rlimit limit, lower;
    getrlimit(RLIMIT_NOFILE, &limit);
    int next = dup(pair[0]); /* the lowest free number: five more may be opened */
    close(next);
    lower = (struct rlimit){.rlim_cur = (rlim_t)next + 5, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    errno = 0;
    ssize_t got = fdpass_receive(pair[1], &byte, 1, fds, &n_fds);
    int error = errno;
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(got, -1);
    assert_int_equal(error, EMSGSIZE);
    assert_int_equal(n_fds, 0);
    assert_int_equal(n_open_fds(), before);
}

static void peer_that_is_gone_reads_as_zero(void **state)
{
    int *pair = *state;
    int fds[FDPASS_MOST], n_fds;
    char byte;
    close(pair[0]);
    pair[0] = -1;
    assert_int_equal(fdpass_receive(pair[1], &byte, 1, fds, &n_fds), 0);
    errno = 0;
    assert_int_equal(fdpass_send(pair[1], "x", 1, NULL, 0), -1); /* and no SIGPIPE */
    assert_int_equal(errno, EPIPE);
}

static void last_words_of_a_peer_are_heard(void **state)
{
    int *pair = *state;
    int fds[FDPASS_MOST], n_fds;
    char bytes[10];
    assert_int_equal(fdpass_send(pair[1], "unread", 6, NULL, 0), 0);
    assert_int_equal(fdpass_send(pair[0], "last", 4, pair, 2), 0);
    close(pair[0]); /* with a message unread: the kernel tells us ECONNRESET first */
    pair[0] = -1;
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 4);
    assert_memory_equal(bytes, "last", 4);
    assert_int_equal(n_fds, 2);
    close_all(fds, n_fds);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, fds, &n_fds), 0);
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(pair_is_seqpacket_nonblocking_close_on_exec),
        PAIR_TEST(messages_keep_their_bounds_and_order),
        PAIR_TEST(descriptors_arrive_in_order_close_on_exec),
        PAIR_TEST(as_many_as_promised_travel_at_once),
        PAIR_TEST(empty_message_is_refused),
        PAIR_TEST(nothing_waiting_is_eagain),
        PAIR_TEST(full_queue_is_eagain_and_loses_nothing),
        PAIR_TEST(cut_message_is_refused_and_its_descriptors_closed),
        PAIR_TEST(too_few_free_descriptors_are_told_and_leak_none),
        PAIR_TEST(peer_that_is_gone_reads_as_zero),
        PAIR_TEST(last_words_of_a_peer_are_heard),
    };
    return cmocka_run_group_tests_name("fdpass", tests, NULL, NULL);
}

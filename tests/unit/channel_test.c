/* SPDX-License-Identifier: MIT */
/* Tests of messages with descriptors: order, waiting, and what is no message. */
#include "share/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct ends {
    struct channel a, b;
    struct received *received;
    int n_fds_before;
};

/* Descriptors this process has open, without the one that looks. */
static int count_fds(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int open_ends(void **state)
{
    static struct ends ends;
    int fds[2];

    ends.n_fds_before = count_fds();
    ends.received = malloc(sizeof *ends.received);
    if (ends.received == NULL || fdpass_pair(fds) != 0)
        return -1;
    channel_init(&ends.a, fds[0]);
    channel_init(&ends.b, fds[1]);
    *state = &ends;
    return 0;
}

/* Every test must leave as many descriptors open as it found. */
static int close_ends(void **state)
{
    struct ends *ends = *state;

    channel_fini(&ends->a);
    channel_fini(&ends->b);
    free(ends->received);
    return count_fds() == ends->n_fds_before ? 0 : -1;
}

static bool is_same_file(int a, int b)
{
    struct stat first, second;
    assert_int_equal(fstat(a, &first), 0);
    assert_int_equal(fstat(b, &second), 0);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int send_number(struct channel *channel, uint64_t number)
{
    const struct message message = {.kind = MSG_RESULT, .number = number};
    return channel_send(channel, &message, NULL, 0, NULL, 0);
}

static void carries_head_payload_and_descriptors(void **state)
{
    struct ends *ends = *state;
    struct received *received = ends->received;
    const struct message message = {
        .kind = MSG_PREPARE, .flag = 1, .generation = UINT64_MAX, .number = 42};
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(channel_send(&ends->a, &message, "text", 4, pipe_fds, 2), 0);
    assert_false(channel_is_waiting(&ends->a));
    assert_int_equal(channel_receive(&ends->b, received), 1);
    assert_memory_equal(&received->head, &message, sizeof message);
    assert_int_equal(received->length, 4);
    assert_memory_equal(received->payload, "text", 4);
    assert_int_equal((uintptr_t)received->payload % 8, 0);
    assert_int_equal(received->n_fds, 2);
    assert_int_equal(fcntl(received->fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_true(is_same_file(received->fds[1], pipe_fds[1]));
    channel_close_fds(received);
    assert_int_equal(received->n_fds, 0);
    assert_int_equal(channel_receive(&ends->b, received), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void carries_the_longest_message_with_most_descriptors(void **state)
{
    struct ends *ends = *state;
    size_t length = CHANNEL_MOST_BYTES - sizeof(struct message);
    unsigned char *payload = malloc(length + 1);
    const struct message message = {.kind = MSG_SOCKETS};
    int fds[FDPASS_MOST];

    assert_non_null(payload);
    for (size_t i = 0; i < length; i++)
        payload[i] = (unsigned char)(i * 31);
    for (int i = 0; i < FDPASS_MOST; i++)
        fds[i] = ends->a.fd;
    assert_int_equal(channel_send(&ends->a, &message, payload, length, fds, FDPASS_MOST), 0);
    assert_int_equal(channel_receive(&ends->b, ends->received), 1);
    assert_int_equal(ends->received->length, length);
    assert_memory_equal(ends->received->payload, payload, length);
    assert_int_equal(ends->received->n_fds, FDPASS_MOST);
    channel_close_fds(ends->received);
    assert_int_equal(channel_send(&ends->a, &message, payload, length + 1, NULL, 0), -1);
    assert_int_equal(errno, EMSGSIZE);
    free(payload);
}

/* Sends numbered messages, each with one end of a pipe of its own, until some wait. Returns how many. */
static uint64_t fill(struct channel *channel, uint64_t n_waiting, ino_t *inodes)
{
    uint64_t n = 0;

    for (; channel->n_waiting < n_waiting; n++) {
        const struct message message = {.kind = MSG_LOGS, .number = n};
        int fds[2];
        struct stat status;
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(fstat(fds[0], &status), 0);
        inodes[n] = status.st_ino;
        assert_int_equal(channel_send(channel, &message, &n, sizeof n, fds, 1), 0);
        close(fds[0]);
        close(fds[1]);
    }
    return n;
}

static void waits_for_a_busy_peer_and_keeps_the_order(void **state)
{
    struct ends *ends = *state;
    struct received *received = ends->received;
    static ino_t inodes[4096];
    struct stat status;
    uint64_t n = fill(&ends->a, 20, inodes);

    assert_true(n > 20);
    assert_true(channel_is_waiting(&ends->a));
    assert_int_equal(channel_flush(&ends->a), 0);
    assert_int_equal(ends->a.n_waiting, 20);
    for (uint64_t i = 0; i < n; i++) {
        if (i % 5 == 0)
            assert_int_equal(channel_flush(&ends->a), 0);
        assert_int_equal(channel_receive(&ends->b, received), 1);
        assert_int_equal(received->head.number, i);
        assert_int_equal(received->length, sizeof i);
        assert_memory_equal(received->payload, &i, sizeof i);
        assert_int_equal(received->n_fds, 1);
        assert_int_equal(fstat(received->fds[0], &status), 0);
        assert_int_equal(status.st_ino, inodes[i]);
        channel_close_fds(received);
    }
    assert_false(channel_is_waiting(&ends->a));
    assert_int_equal(channel_receive(&ends->b, received), 0);
}

static void lets_nothing_overtake_what_waits(void **state)
{
    struct ends *ends = *state;
    uint64_t n = 0;

    while (!channel_is_waiting(&ends->a))
        assert_int_equal(send_number(&ends->a, n++), 0);
    /* Room again, but the waiting one goes first. */
    for (uint64_t i = 0; i < n - 1; i++) {
        assert_int_equal(channel_receive(&ends->b, ends->received), 1);
        assert_int_equal(ends->received->head.number, i);
    }
    assert_int_equal(send_number(&ends->a, n), 0);
    assert_int_equal(ends->a.n_waiting, 2);
    assert_int_equal(channel_flush(&ends->a), 0);
    for (uint64_t i = n - 1; i <= n; i++) {
        assert_int_equal(channel_receive(&ends->b, ends->received), 1);
        assert_int_equal(ends->received->head.number, i);
    }
}

static void gives_up_on_a_peer_that_never_reads(void **state)
{
    struct ends *ends = *state;
    int result = 0;

    for (uint64_t i = 0; i < 100000 && result == 0; i++)
        result = send_number(&ends->a, i);
    assert_int_equal(result, -1);
    assert_int_equal(errno, ENOBUFS);
    assert_int_equal(ends->a.n_waiting, CHANNEL_MOST_WAITING);
}

static void closes_what_still_waits(void **state)
{
    struct ends *ends = *state;
    static ino_t inodes[4096];

    fill(&ends->a, 10, inodes);
    /* close_ends sees to it that the duplicates are gone. */
}

static void tells_that_the_peer_is_gone(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(send_number(&ends->a, 5), 0);
    channel_fini(&ends->a);
    assert_int_equal(channel_receive(&ends->b, ends->received), 1);
    assert_int_equal(ends->received->head.number, 5);
    errno = EINVAL;
    assert_int_equal(channel_receive(&ends->b, ends->received), -1);
    assert_int_equal(errno, 0);
    assert_int_equal(send_number(&ends->b, 6), -1);
    assert_int_equal(errno, EPIPE);
    assert_false(channel_is_waiting(&ends->b));
}

static void flushing_tells_that_the_peer_is_gone(void **state)
{
    struct ends *ends = *state;
    uint64_t n = 0;

    while (!channel_is_waiting(&ends->a))
        assert_int_equal(send_number(&ends->a, n++), 0);
    channel_fini(&ends->b);
    assert_int_equal(channel_flush(&ends->a), -1);
    assert_true(errno == EPIPE || errno == ECONNRESET);
}

static void refuses_nonsense(struct ends *ends, const void *bytes, size_t length)
{
    int fd = ends->a.fd;

    assert_int_equal(fdpass_send(fd, bytes, length, &fd, 1), 0);
    int before = count_fds();
    assert_int_equal(channel_receive(&ends->b, ends->received), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(ends->received->n_fds, 0);
    assert_int_equal(count_fds(), before);
}

static void refuses_a_short_head(void **state)
{
    const struct message message = {.kind = MSG_HELLO};

    refuses_nonsense(*state, "x", 1);
    refuses_nonsense(*state, &message, sizeof message - 1);
}

static void refuses_an_unknown_kind(void **state)
{
    struct message message = {.kind = 0};

    refuses_nonsense(*state, &message, sizeof message);
    message.kind = MESSAGE_END;
    refuses_nonsense(*state, &message, sizeof message);
    message.kind = UINT32_MAX;
    refuses_nonsense(*state, &message, sizeof message);
}

static void refuses_too_long_a_message(void **state)
{
    unsigned char *bytes = calloc(1, CHANNEL_MOST_BYTES + 1);

    assert_non_null(bytes);
    refuses_nonsense(*state, bytes, CHANNEL_MOST_BYTES + 1);
    free(bytes);
}

static void refuses_too_many_descriptors(void **state)
{
    struct ends *ends = *state;
    enum { MANY = FDPASS_MOST + 1 };
    struct message message = {.kind = MSG_SOCKETS};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    union {
        struct cmsghdr header;
        unsigned char bytes[CMSG_SPACE(MANY * sizeof(int))];
    } control;
    struct msghdr sent = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};

    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(MANY * sizeof(int));
    for (size_t i = 0; i < MANY; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &ends->a.fd, sizeof(int));
    assert_int_equal(sendmsg(ends->a.fd, &sent, 0), sizeof message);
    int before = count_fds();
    assert_int_equal(channel_receive(&ends->b, ends->received), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(ends->received->n_fds, 0);
    assert_int_equal(count_fds(), before);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(carries_head_payload_and_descriptors),
        PROMISE(carries_the_longest_message_with_most_descriptors),
        PROMISE(waits_for_a_busy_peer_and_keeps_the_order),
        PROMISE(lets_nothing_overtake_what_waits),
        PROMISE(gives_up_on_a_peer_that_never_reads),
        PROMISE(closes_what_still_waits),
        PROMISE(tells_that_the_peer_is_gone),
        PROMISE(flushing_tells_that_the_peer_is_gone),
        PROMISE(refuses_a_short_head),
        PROMISE(refuses_an_unknown_kind),
        PROMISE(refuses_too_long_a_message),
        PROMISE(refuses_too_many_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

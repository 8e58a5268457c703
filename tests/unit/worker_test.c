/* SPDX-License-Identifier: MIT */
/* The worker process, with the test as its master: how it ends when it cannot hear master any more. */
#include "worker/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "share/channel.h"
#include "share/segment.h"

/* A running worker and what it was given. */
struct rig {
    pid_t pid;
    struct channel channel;
    struct segment segment;
    int null;
};

static void greet(struct rig *rig)
{
    const struct message message = {.kind = MSG_HELLO};
    const struct hello hello = {.log_level = 0, .max_connections = 10, .master_pid = getpid()};
    const int fds[] = {rig->segment.fd, rig->null, rig->null};
    assert_int_equal(channel_send(&rig->channel, &message, &hello, sizeof hello, fds, 3), 0);
}

static int open_rig(void **state)
{
    static struct rig rig;
    int ends[2];
    rig.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (segment_create(&rig.segment, NULL) != 0 || fdpass_pair(ends) != 0)
        return -1;
    segment_use_slot(&rig.segment, 0);
    rig.pid = fork();
    if (rig.pid == 0) {
        const struct rlimit few = {64, 64};
        setrlimit(RLIMIT_NOFILE, &few);
        close(ends[0]);
        exit(worker_main(ends[1])); /* with the leak check that _exit skips */
    }
    close(ends[1]);
    channel_init(&rig.channel, ends[0]);
    greet(&rig);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    channel_fini(&rig->channel);
    segment_fini(&rig->segment);
    close(rig->null);
    return 0;
}

static int wait_end(struct rig *rig)
{
    int status = -1;
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void ends_well_when_master_is_gone(void **state)
{
    struct rig *rig = *state;
    close(rig->channel.fd);
    rig->channel.fd = -1;
    assert_int_equal(wait_end(rig), EXIT_SUCCESS);
}

static void ends_well_when_told_to(void **state)
{
    struct rig *rig = *state;
    const struct message message = {.kind = MSG_STOP};
    assert_int_equal(channel_send(&rig->channel, &message, NULL, 0, NULL, 0), 0);
    assert_int_equal(wait_end(rig), EXIT_SUCCESS);
}

static void asks_to_be_replaced_after_a_message_that_is_none(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(fdpass_send(rig->channel.fd, "?", 1, NULL, 0), 0);
    assert_int_equal(wait_end(rig), EXIT_FAILURE);
}

static void asks_to_be_replaced_when_descriptors_were_cut_off(void **state)
{
    struct rig *rig = *state;
    const struct message message = {.kind = MSG_ADOPT, .number = 1};
    uint32_t ids[FDPASS_MOST] = {0};
    int fds[FDPASS_MOST]; /* twice as many as it may open */
    for (size_t i = 0; i < FDPASS_MOST; i++)
        fds[i] = rig->null;
    assert_int_equal(channel_send(&rig->channel, &message, ids, sizeof ids, fds, FDPASS_MOST),
                     0);
    assert_int_equal(wait_end(rig), EXIT_FAILURE);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(ends_well_when_master_is_gone),
        RIG_TEST(ends_well_when_told_to),
        RIG_TEST(asks_to_be_replaced_after_a_message_that_is_none),
        RIG_TEST(asks_to_be_replaced_when_descriptors_were_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the bells. */
#include "share/bells.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static bool rings(const struct bells *bells, uint32_t slot)
{
    struct pollfd ready = {.fd = bells->fds[slot], .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

static void rings_until_it_is_hushed(void **state)
{
    struct bells bells;

    (void)state;
    bells_init(&bells);
    assert_int_equal(bells_make(&bells, 3), 0);
    int fd = bells.fds[3];
    assert_int_equal(bells_make(&bells, 3), 0); /* there is one */
    assert_int_equal(bells.fds[3], fd);
    assert_int_equal(bells_make(&bells, SEGMENT_SLOTS - 1), 0);
    assert_int_equal(bells_make(&bells, BELL_OF_DIRECTOR), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_false(rings(&bells, 3));
    for (int i = 0; i < 1000; i++)
        bells_ring(&bells, 3);
    assert_true(rings(&bells, 3));
    assert_false(rings(&bells, SEGMENT_SLOTS - 1));
    bells_hush(&bells, 3);
    assert_false(rings(&bells, 3));
    bells_hush(&bells, 3); /* does not wait */
    bells_ring_all(&bells);
    assert_true(rings(&bells, 3));
    assert_true(rings(&bells, SEGMENT_SLOTS - 1));
    assert_false(rings(&bells, BELL_OF_DIRECTOR)); /* all are the workers */
    bells_ring(&bells, BELL_OF_DIRECTOR);
    assert_true(rings(&bells, BELL_OF_DIRECTOR));
    bells_ring(&bells, 0); /* there is none */
    bells_hush(&bells, 0);
    bells_fini(&bells);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(bells.fds[3], -1);
}

static void is_the_same_bell_wherever_it_is_lent(void **state)
{
    struct bells master, child;

    (void)state;
    bells_init(&master);
    bells_init(&child);
    assert_int_equal(bells_make(&master, 7), 0);
    assert_int_equal(bells_make(&child, 7), 0);
    int old = child.fds[7];
    bells_put(&child, 7, fcntl(master.fds[7], F_DUPFD_CLOEXEC, 100));
    assert_int_equal(fcntl(old, F_GETFD), -1);
    bells_ring(&master, 7);
    assert_true(rings(&child, 7));
    bells_hush(&child, 7);
    assert_false(rings(&master, 7));
    int stray = fcntl(master.fds[7], F_DUPFD_CLOEXEC, 100);
    bells_put(&child, BELLS, stray);
    assert_int_equal(fcntl(stray, F_GETFD), -1);
    bells_fini(&child);
    bells_fini(&master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_until_it_is_hushed),
        cmocka_unit_test(is_the_same_bell_wherever_it_is_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A worker's descriptors: what is spare leaves room for the listening sockets of siblings. */
#include "worker/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "master/privileges.h"

static struct rlimit before;

static int keep_limit(void **state)
{
    (void)state;
    return getrlimit(RLIMIT_NOFILE, &before);
}

static int restore_limit(void **state)
{
    (void)state;
    return setrlimit(RLIMIT_NOFILE, &before);
}

static void limit(uint64_t descriptors)
{
    const struct rlimit now = {.rlim_cur = descriptors, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void pipes_and_parked_sockets_leave_room_for_adopted_listeners(void **state)
{
    (void)state;
    static const size_t addresses[] = {1, 5, 20};
    limit(1024);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        uint64_t most = descriptors_allow(1024, addresses[i]);
        int64_t spare = budget_spare(most);
        assert_true(spare > 0);
        /* The own set, three siblings', and the same anew during a reload. */
        assert_true(2 * most + (uint64_t)spare + 8 * addresses[i] + 24 <= 1024);
    }
}

static void few_descriptors_leave_nothing_to_spare(void **state)
{
    (void)state;
    limit(64);
    assert_int_equal(budget_spare(18), 0);
    assert_int_equal(budget_spare(1000), 0);
    assert_int_equal(budget_spare(1), 8);
}

static void no_more_connections_than_fit(void **state)
{
    (void)state;
    limit(128);
    assert_int_equal(budget_connections(40), 40);
    assert_int_equal(budget_connections(50), 50);
    assert_int_equal(budget_connections(51), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipes_and_parked_sockets_leave_room_for_adopted_listeners),
        cmocka_unit_test(few_descriptors_leave_nothing_to_spare),
        cmocka_unit_test(no_more_connections_than_fit),
    };
    return cmocka_run_group_tests(tests, keep_limit, restore_limit);
}

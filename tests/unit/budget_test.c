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

/* What a worker with so many connections and one bell gives to pipes, parked sockets and pools. */
static int64_t spare(uint64_t connections)
{
    static struct relay relay;
    budget_share(&relay, 1, connections);
    return 2 * (int64_t)relay.pipes.most + relay.most_parked + relay.most_warm;
}

static void pipes_and_parked_sockets_leave_room_for_adopted_listeners(void **state)
{
    (void)state;
    static const size_t addresses[] = {1, 5, 20};
    limit(1024);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        uint64_t most = descriptors_allow(1024, &(struct descriptor_needs){addresses[i], 1, 0});
        int64_t given = spare(most);
        assert_true(given > 0);
        /* The own set, three siblings', and the same anew during a reload. */
        assert_true(2 * most + (uint64_t)given + 8 * addresses[i] + 25 <= 1024);
    }
}

static void few_descriptors_leave_nothing_to_spare(void **state)
{
    (void)state;
    limit(64);
    assert_int_equal(spare(18), 0);
    assert_int_equal(spare(1000), 0);
    assert_int_equal(spare(1), 8);
}

static void no_more_connections_than_fit(void **state)
{
    (void)state;
    limit(129); /* one for the bell */
    assert_int_equal(budget_connections(1, 40), 40);
    assert_int_equal(budget_connections(1, 50), 50);
    assert_int_equal(budget_connections(1, 51), 50);
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

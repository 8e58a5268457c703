/* SPDX-License-Identifier: MIT */
/* Tests of when a host's next turn is. */
#include "director/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

#define MS CLOCK_NS_PER_MS

static void starts_are_spread_evenly(void **state)
{
    (void)state;
    enum { HOSTS = 100, BUCKET_MS = 10 };
    const uint64_t interval_ns = 2000 * MS;
    uint32_t buckets[2000 / BUCKET_MS] = {0};
    for (uint64_t i = 0; i < HOSTS; i++) {
        uint64_t due_ns = pace_first(7 * MS, interval_ns, i, HOSTS) - 7 * MS;
        assert_true(due_ns < interval_ns);
        assert_true(++buckets[due_ns / (BUCKET_MS * MS)] <= HOSTS * 5 / 100);
    }
    assert_int_equal(pace_first(5, interval_ns, 0, 1), 5);
    assert_int_equal(pace_first(0, 10, 65535, 65536), 9);
}

static void one_turn_comes_an_interval_after_the_other(void **state)
{
    (void)state;
    assert_int_equal(pace_next(100, 50, 100), 150);
    assert_int_equal(pace_next(100, 50, 149), 150); /* it was late, the next is not */
    assert_int_equal(pace_next(100, 50, 90), 150);
}

static void turns_that_passed_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(pace_next(100, 50, 150), 200);
    assert_int_equal(pace_next(100, 50, 151), 200);
    assert_int_equal(pace_next(100, 50, 100 + 50 * 1000000ULL), 150 + 50 * 1000000ULL);
}

static void the_soonest_keeps_its_place_in_the_interval(void **state)
{
    (void)state;
    for (uint64_t due_ns = 0; due_ns < 500; due_ns += 7)
        for (uint64_t now_ns = 0; now_ns < 500; now_ns += 11) {
            uint64_t soonest_ns = pace_soonest(due_ns, 50, now_ns);
            assert_true(soonest_ns > now_ns && soonest_ns <= now_ns + 50);
            assert_int_equal(soonest_ns % 50, due_ns % 50);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_are_spread_evenly),
        cmocka_unit_test(one_turn_comes_an_interval_after_the_other),
        cmocka_unit_test(turns_that_passed_are_left_out),
        cmocka_unit_test(the_soonest_keeps_its_place_in_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

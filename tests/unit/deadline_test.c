/* SPDX-License-Identifier: MIT */
/* The deadline wheel: nothing is early, nothing later than a tick, lazily re-hung. */
#include "relay/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static const uint64_t tick_ns = DEADLINE_TICK_MS * CLOCK_NS_PER_MS;

struct limit {
    struct deadline deadline;
    uint64_t due_ns, fired_ns;
    int looks;
    struct limit *ends_too;
    struct deadline_wheel *wheel;
};

static uint64_t look(struct deadline *deadline, uint64_t now_ns)
{
    struct limit *limit = container_of(deadline, struct limit, deadline);
    limit->looks++;
    if (limit->due_ns > now_ns)
        return limit->due_ns;
    limit->fired_ns = now_ns;
    if (limit->ends_too != NULL)
        deadline_drop(limit->wheel, &limit->ends_too->deadline);
    return 0;
}

static void run_until(struct deadline_wheel *wheel, uint64_t from_ns, uint64_t to_ns)
{
    for (uint64_t now = from_ns; now <= to_ns; now += tick_ns / 3)
        deadline_advance(wheel, now, look);
}

static void fires_within_a_tick_never_early(void **state)
{
    struct deadline_wheel wheel;
    struct limit limits[200] = {0};
    uint64_t start = 77 * CLOCK_NS_PER_S + 12345;

    (void)state;
    deadline_init(&wheel, start);
    for (size_t i = 0; i < 200; i++) {
        limits[i].due_ns = start + i * i * 2 * CLOCK_NS_PER_MS;
        deadline_hang(&wheel, &limits[i].deadline, limits[i].due_ns);
    }
    assert_int_equal(wheel.n_hung, 200);
    run_until(&wheel, start, start + 90 * CLOCK_NS_PER_S);
    for (size_t i = 0; i < 200; i++) {
        assert_true(limits[i].fired_ns >= limits[i].due_ns);
        assert_true(limits[i].fired_ns <= limits[i].due_ns + 2 * tick_ns);
    }
    assert_int_equal(wheel.n_hung, 0);
}

static void later_deadline_does_not_move_the_entry(void **state)
{
    struct deadline_wheel wheel;
    struct limit limit = {.due_ns = CLOCK_NS_PER_S};

    (void)state;
    deadline_init(&wheel, 0);
    deadline_hang(&wheel, &limit.deadline, CLOCK_NS_PER_S);
    uint64_t before = limit.deadline.tick;
    limit.due_ns = 2 * CLOCK_NS_PER_S;
    deadline_hang(&wheel, &limit.deadline, limit.due_ns);
    assert_int_equal(limit.deadline.tick, before);
    run_until(&wheel, 0, 3 * CLOCK_NS_PER_S);
    assert_int_equal(limit.looks, 2);
    assert_true(limit.fired_ns >= limit.due_ns);
}

static void earlier_deadline_moves_the_entry(void **state)
{
    struct deadline_wheel wheel;
    struct limit limit = {.due_ns = CLOCK_NS_PER_S};

    (void)state;
    deadline_init(&wheel, 0);
    deadline_hang(&wheel, &limit.deadline, 10 * CLOCK_NS_PER_S);
    deadline_hang(&wheel, &limit.deadline, CLOCK_NS_PER_S);
    assert_int_equal(wheel.n_hung, 1);
    run_until(&wheel, 0, 2 * CLOCK_NS_PER_S);
    assert_true(limit.fired_ns >= CLOCK_NS_PER_S);
    assert_true(limit.fired_ns <= CLOCK_NS_PER_S + 2 * tick_ns);
}

static void beyond_the_horizon_costs_a_look_a_round(void **state)
{
    struct deadline_wheel wheel;
    struct limit limit = {.due_ns = 100 * CLOCK_NS_PER_S};

    (void)state;
    deadline_init(&wheel, 0);
    deadline_hang(&wheel, &limit.deadline, limit.due_ns);
    run_until(&wheel, 0, 101 * CLOCK_NS_PER_S);
    assert_true(limit.fired_ns >= limit.due_ns);
    assert_in_range(limit.looks, 6, 8);
}

static void one_look_may_end_another_of_the_same_tick(void **state)
{
    struct deadline_wheel wheel;
    struct limit a = {0}, b = {0};

    (void)state;
    deadline_init(&wheel, 0);
    a.wheel = b.wheel = &wheel;
    a.ends_too = &b;
    b.ends_too = &a;
    deadline_hang(&wheel, &a.deadline, 1);
    deadline_hang(&wheel, &b.deadline, 1);
    deadline_advance(&wheel, 10 * tick_ns, look);
    assert_int_equal(a.looks + b.looks, 1);
    assert_int_equal(wheel.n_hung, 0);
}

static void long_absence_still_finds_every_entry(void **state)
{
    struct deadline_wheel wheel;
    struct limit limits[DEADLINE_SLOTS] = {0};

    (void)state;
    deadline_init(&wheel, 0);
    for (uint64_t i = 0; i < DEADLINE_SLOTS; i++)
        deadline_hang(&wheel, &limits[i].deadline, i * tick_ns);
    deadline_advance(&wheel, 3600 * CLOCK_NS_PER_S, look);
    for (size_t i = 0; i < DEADLINE_SLOTS; i++)
        assert_int_equal(limits[i].looks, 1);
    assert_int_equal(wheel.n_hung, 0);
}

static void wrapping_of_32_bit_milliseconds_changes_nothing(void **state)
{
    struct deadline_wheel wheel;
    struct limit limit = {0};
    uint64_t start = (UINT64_C(1) << 32) * CLOCK_NS_PER_MS - CLOCK_NS_PER_S;

    (void)state;
    deadline_init(&wheel, start);
    limit.due_ns = start + 2 * CLOCK_NS_PER_S;
    deadline_hang(&wheel, &limit.deadline, limit.due_ns);
    run_until(&wheel, start, start + 3 * CLOCK_NS_PER_S);
    assert_true(limit.fired_ns >= limit.due_ns && limit.fired_ns <= limit.due_ns + 2 * tick_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_within_a_tick_never_early),
        cmocka_unit_test(later_deadline_does_not_move_the_entry),
        cmocka_unit_test(earlier_deadline_moves_the_entry),
        cmocka_unit_test(beyond_the_horizon_costs_a_look_a_round),
        cmocka_unit_test(one_look_may_end_another_of_the_same_tick),
        cmocka_unit_test(long_absence_still_finds_every_entry),
        cmocka_unit_test(wrapping_of_32_bit_milliseconds_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

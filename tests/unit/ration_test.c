/* SPDX-License-Identifier: MIT */
/* Promises of relay/ration: a turn spends so much on those who come in, and no more. */
#include "relay/ration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void work(uint64_t ns)
{
    uint64_t until_ns = clock_now_ns() + ns;
    while (clock_now_ns() < until_ns)
        ;
}

static void a_turn_may_always_begin(void **state)
{
    (void)state;
    struct ration ration = {0};
    assert_true(ration_begin(&ration));
    work(2 * RATION_NS);
    ration_end(&ration);
    assert_false(ration_begin(&ration));
    ration_renew(&ration);
    assert_true(ration_begin(&ration));
}

static void pieces_add_up(void **state)
{
    (void)state;
    struct ration ration = {0};
    int n = 0;
    while (ration_begin(&ration)) {
        work(RATION_NS / 4);
        ration_end(&ration);
        n++;
    }
    assert_in_range(n, 1, 4);
    assert_true(ration.spent_ns >= RATION_NS);
}

static void what_is_done_in_between_costs_nothing(void **state)
{
    (void)state;
    struct ration ration = {0};
    assert_true(ration_begin(&ration));
    uint64_t before_ns = clock_now_ns();
    ration_end(&ration);
    uint64_t spent_ns = ration.spent_ns;
    work(2 * RATION_NS);
    if (spent_ns < RATION_NS) /* else this machine took a nap in between */
        assert_true(ration_begin(&ration));
    assert_true(clock_now_ns() - before_ns >= 2 * RATION_NS);
}

static void each_listener_has_one(void **state)
{
    (void)state;
    struct ration ration = {.spent_ns = RATION_NS};
    assert_true(ration_admit(&ration, true));
    assert_false(ration_admit(&ration, false));
    assert_true(ration_admit(&ration, true));
    ration_renew(&ration);
    assert_true(ration_admit(&ration, false));
}

static void who_was_put_off_goes_before_who_comes(void **state)
{
    (void)state;
    struct ration ration = {.spent_ns = RATION_NS};
    assert_false(ration_begin(&ration));
    ration_renew(&ration);
    assert_true(ration_admit(&ration, true));
    assert_false(ration_admit(&ration, false));
    assert_true(ration_begin(&ration));
    ration_renew(&ration); /* nobody was, this time */
    assert_true(ration_admit(&ration, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_may_always_begin),
        cmocka_unit_test(pieces_add_up),
        cmocka_unit_test(what_is_done_in_between_costs_nothing),
        cmocka_unit_test(each_listener_has_one),
        cmocka_unit_test(who_was_put_off_goes_before_who_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

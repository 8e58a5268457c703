/* SPDX-License-Identifier: MIT */
/* Tests of scheduler first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance_rig.h"

static void stays_with_the_first(void **state)
{
    const uint32_t weights[] = {1, 200, 3};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_FIRST, 3, weights);
    for (int i = 0; i < 30; i++)
        assert_int_equal(rig_pick(&rig.group), 0);
    rig_close(&rig);
}

static void goes_on_to_the_next_when_full_and_comes_back(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_FIRST, 3, NULL);
    rig_limit(&rig, 0, 2);
    rig_limit(&rig, 1, 1);
    assert_int_equal(rig_pick(&rig.group), 0);
    assert_int_equal(rig_pick(&rig.group), 0);
    assert_int_equal(rig_pick(&rig.group), 1);
    assert_int_equal(rig_pick(&rig.group), 2);
    assert_int_equal(rig_pick(&rig.group), 2);
    pick_release(&rig.group, 1);
    assert_int_equal(rig_pick(&rig.group), 1);
    pick_release(&rig.group, 0);
    assert_int_equal(rig_pick(&rig.group), 0);
    rig_close(&rig);
}

static void goes_on_to_the_next_when_down_and_comes_back(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_FIRST, 3, NULL);
    host_set_health(&rig.segment, RIG_FIRST_ROW, HEALTH_DOWN, "no answer");
    assert_int_equal(rig_pick(&rig.group), 1);
    host_set_admin(&rig.segment, RIG_FIRST_ROW + 1, ADMIN_DRAIN);
    assert_int_equal(rig_pick(&rig.group), 2);
    host_set_health(&rig.segment, RIG_FIRST_ROW, HEALTH_UP, "");
    assert_int_equal(rig_pick(&rig.group), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_with_the_first),
        cmocka_unit_test(goes_on_to_the_next_when_full_and_comes_back),
        cmocka_unit_test(goes_on_to_the_next_when_down_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

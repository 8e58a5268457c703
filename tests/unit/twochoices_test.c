/* SPDX-License-Identifier: MIT */
/* Tests of scheduler twochoices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance_rig.h"

/* Mitzenmacher: the fullest of n differs from the mean by about log log n, not by the square root of chance. */
static void keeps_open_connections_close_together(void **state)
{
    enum { HOSTS = 100, EACH = 100 };
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_TWOCHOICES, HOSTS, NULL);
    for (int i = 0; i < HOSTS * EACH; i++)
        rig_pick(&rig.group);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_in_range(rig.group.hosts[i].row->in_flight, EACH - 8, EACH + 5);
    rig_close(&rig);
}

static void keeps_open_connections_in_proportion_to_weight(void **state)
{
    static const uint32_t weights[] = {1, 2, 5, 8};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_TWOCHOICES, 4, weights);
    for (int i = 0; i < 16000; i++)
        rig_pick(&rig.group);
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(rig.group.hosts[i].row->in_flight, 1000 * weights[i] * 95 / 100,
                        1000 * weights[i] * 105 / 100);
    rig_close(&rig);
}

static void of_two_takes_the_one_with_less(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_TWOCHOICES, 2, NULL);
    for (int i = 0; i < 50; i++)
        host_claim(&rig.segment, 1, RIG_FIRST_ROW, 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(rig_pick(&rig.group), 1);
    rig_close(&rig);
}

static void takes_the_other_when_the_better_is_full(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_TWOCHOICES, 2, NULL);
    rig_limit(&rig, 1, 1);
    for (int i = 0; i < 5; i++)
        host_claim(&rig.segment, 1, RIG_FIRST_ROW, 0);
    assert_int_equal(rig_pick(&rig.group), 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_pick(&rig.group), 0);
    rig_close(&rig);
}

static void finds_the_last_free_place(void **state)
{
    enum { HOSTS = 1000 };
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_TWOCHOICES, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_limit(&rig, i, 1);
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_pick(&rig.group);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_open_connections_close_together),
        cmocka_unit_test(keeps_open_connections_in_proportion_to_weight),
        cmocka_unit_test(of_two_takes_the_one_with_less),
        cmocka_unit_test(takes_the_other_when_the_better_is_full),
        cmocka_unit_test(finds_the_last_free_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

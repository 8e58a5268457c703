/* SPDX-License-Identifier: MIT */
/* Tests of schedulers random and weighted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance_rig.h"

enum { HOSTS = 4, VISITS = 100000 };

static const uint32_t weights[HOSTS] = {1, 2, 3, 4};

/* Each host's share must be within half a percent of all: over three times the spread of chance. */
static void check_shares(struct rig *rig, const uint32_t *parts, uint32_t sum)
{
    int64_t seen[HOSTS] = {0};

    for (int i = 0; i < VISITS; i++)
        seen[rig_visit(&rig->group)]++;
    for (uint32_t i = 0; i < HOSTS; i++) {
        int64_t expected = (int64_t)VISITS * parts[i] / sum;
        assert_true(seen[i] >= expected - VISITS / 200 && seen[i] <= expected + VISITS / 200);
        assert_true(parts[i] > 0 || seen[i] == 0);
    }
}

static void random_ignores_weights(void **state)
{
    const uint32_t even[HOSTS] = {1, 1, 1, 1};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_RANDOM, HOSTS, weights);
    check_shares(&rig, even, 4);
    rig_close(&rig);
}

static void random_leaves_out_weight_zero(void **state)
{
    const uint32_t some[HOSTS] = {1, 0, 1, 1};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_RANDOM, HOSTS, weights);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + 1, 0);
    check_shares(&rig, some, 3);
    rig_close(&rig);
}

static void weighted_follows_weights(void **state)
{
    const uint32_t changed[HOSTS] = {1, 2, 0, 5};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_WEIGHTED, HOSTS, weights);
    check_shares(&rig, weights, 10);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + 2, 0);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + 3, 5);
    check_shares(&rig, changed, 8);
    rig_close(&rig);
}

/* Not a fixed order in disguise: runs of the same host happen as often as chance has them. */
static void random_has_no_order(void **state)
{
    struct rig rig;
    int64_t n_repeats = 0;
    uint32_t last = UINT32_MAX;

    (void)state;
    rig_open(&rig, SCHEDULER_RANDOM, HOSTS, NULL);
    for (int i = 0; i < VISITS; i++) {
        uint32_t index = rig_visit(&rig.group);
        n_repeats += index == last;
        last = index;
    }
    assert_in_range(n_repeats, VISITS / 4 - VISITS / 100, VISITS / 4 + VISITS / 100);
    rig_close(&rig);
}

static void finds_the_last_free_place(void **state)
{
    static const enum scheduler_kind kinds[] = {SCHEDULER_RANDOM, SCHEDULER_WEIGHTED};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct rig rig;
        rig_open(&rig, kinds[k], 1000, NULL);
        for (uint32_t i = 0; i < 1000; i++)
            rig_limit(&rig, i, 1);
        for (uint32_t i = 0; i < 1000; i++)
            rig_pick(&rig.group);
        for (uint32_t i = 0; i < 1000; i++)
            assert_int_equal(rig.group.hosts[i].row->in_flight, 1);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_ignores_weights),
        cmocka_unit_test(random_leaves_out_weight_zero),
        cmocka_unit_test(weighted_follows_weights),
        cmocka_unit_test(random_has_no_order),
        cmocka_unit_test(finds_the_last_free_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

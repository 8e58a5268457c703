/* SPDX-License-Identifier: MIT */
/* Tests of the order in a reuseport group. */
#include "master/lineup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_order(const struct lineup *lineup, int n, const uint16_t *slots)
{
    assert_int_equal(lineup->n, n);
    assert_memory_equal(lineup->slots, slots, (size_t)n * sizeof *slots);
}

static void fill(struct lineup *lineup, uint32_t n)
{
    *lineup = (struct lineup){0};
    for (uint32_t slot = 0; slot < n; slot++)
        lineup_append(lineup, slot);
}

static void last_moves_into_the_hole(void **state)
{
    (void)state;
    struct lineup lineup;
    fill(&lineup, 5);
    lineup_remove(&lineup, 1);
    assert_order(&lineup, 4, (const uint16_t[]){0, 4, 2, 3});
    lineup_remove(&lineup, 3);
    assert_order(&lineup, 3, (const uint16_t[]){0, 4, 2});
    lineup_remove(&lineup, 77);
    assert_int_equal(lineup.n, 3);
    assert_int_equal(lineup_find(&lineup, 4), 1);
    assert_int_equal(lineup_find(&lineup, 1), -1);
}

static void indexes_name_those_that_may_serve(void **state)
{
    (void)state;
    struct lineup lineup;
    bool may_serve[SEGMENT_SLOTS] = {[0] = true, [2] = true, [3] = true};
    uint16_t indexes[SEGMENT_SLOTS];
    fill(&lineup, 4);
    assert_int_equal(lineup_indexes(&lineup, may_serve, -1, indexes), 3);
    assert_memory_equal(indexes, ((const uint16_t[]){0, 2, 3}), 3 * sizeof *indexes);
    assert_int_equal(lineup_indexes(&lineup, may_serve, 3, indexes), 2);
    assert_memory_equal(indexes, ((const uint16_t[]){0, 2}), 2 * sizeof *indexes);
}

/* Removing in any order, with the last left out of the steering, never makes an index point wrong. */
static void no_index_in_use_goes_wrong_while_one_leaves(void **state)
{
    (void)state;
    struct lineup lineup;
    bool may_serve[SEGMENT_SLOTS] = {[0] = true, [3] = true, [5] = true};
    const uint32_t leaving[] = {2, 4, 1};
    fill(&lineup, 6);
    for (size_t i = 0; i < 3; i++) {
        uint16_t indexes[SEGMENT_SLOTS];
        const struct lineup before = lineup;
        int n = lineup_indexes(&before, may_serve, before.slots[before.n - 1], indexes);
        lineup_remove(&lineup, leaving[i]);
        assert_true(n > 0);
        for (int k = 0; k < n; k++) {
            assert_true(indexes[k] < lineup.n);
            assert_int_equal(lineup.slots[indexes[k]], before.slots[indexes[k]]);
        }
    }
    assert_int_equal(lineup.n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_moves_into_the_hole),
        cmocka_unit_test(indexes_name_those_that_may_serve),
        cmocka_unit_test(no_index_in_use_goes_wrong_while_one_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

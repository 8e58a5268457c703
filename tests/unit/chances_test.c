/* SPDX-License-Identifier: MIT */
/* Tests of drawing by lot. */
#include "balance/chances.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance_rig.h"

enum { HOSTS = 5, DRAWS = 100000 };

static const uint32_t weights[HOSTS] = {1, 4, 2, 8, 5};

static struct chances *open_chances(struct rig *rig)
{
    rig_open(rig, SCHEDULER_WEIGHTED, HOSTS, weights);
    rig_visit(&rig->group);
    struct chances *chances = chances_new(&rig->group);
    assert_non_null(chances);
    return chances;
}

static void draws_each_as_often_as_its_weight_says(void **state)
{
    struct rig rig;
    struct chances *chances = open_chances(&rig);
    uint32_t seen[HOSTS] = {0};

    (void)state;
    for (int i = 0; i < DRAWS; i++)
        seen[chances_draw(chances, &rig.random)]++;
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(chances_weight(chances, i), weights[i]);
        assert_in_range(seen[i], DRAWS * weights[i] / 20 - 700, DRAWS * weights[i] / 20 + 700);
    }
    free(chances);
    rig_close(&rig);
}

static void draws_an_other_never_the_one(void **state)
{
    struct rig rig;
    struct chances *chances = open_chances(&rig);

    (void)state;
    for (uint32_t one = 0; one < HOSTS; one++) {
        uint32_t seen[HOSTS] = {0}, others = 20 - weights[one];
        for (int i = 0; i < DRAWS; i++)
            seen[chances_draw_other(chances, &rig.random, one)]++;
        assert_int_equal(seen[one], 0);
        for (uint32_t i = 0; i < HOSTS; i++)
            assert_true(i == one || (seen[i] + 700 >= DRAWS * weights[i] / others &&
                                     seen[i] <= DRAWS * weights[i] / others + 700));
    }
    free(chances);
    rig_close(&rig);
}

static void draws_the_only_one(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_WEIGHTED, 1, NULL);
    rig_visit(&rig.group);
    struct chances *chances = chances_new(&rig.group);
    assert_non_null(chances);
    for (int i = 0; i < 100; i++)
        assert_int_equal(chances_draw(chances, &rig.random), 0);
    free(chances);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_each_as_often_as_its_weight_says),
        cmocka_unit_test(draws_an_other_never_the_one),
        cmocka_unit_test(draws_the_only_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

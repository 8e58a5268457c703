/* SPDX-License-Identifier: MIT */
/* Tests of what results of checks make of a host's row. */
#include "director/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Counts a run of results, '+' and '-', as the caller of verdict_note would; shows each health. */
static void expect_run(struct host_row *row, const struct verdict_rules *rules,
                       const char *results, const char *healths)
{
    for (size_t i = 0; results[i] != '\0'; i++) {
        enum host_health health = verdict_note(row, rules, results[i] == '+');
        assert_int_equal(health, healths[i] == 'u' ? HEALTH_UP : HEALTH_DOWN);
        atomic_store(&row->health, (uint32_t)health);
    }
}

static void changes_exactly_at_fall_and_rise(void **state)
{
    (void)state;
    struct host_row row = {0};
    const struct verdict_rules rules = {.rise = 2, .fall = 3};
    expect_run(&row, &rules, "+--+---++--",
               "uuuuuuddu"
               "uu");
    expect_run(&row, &rules, "-+-+-+++---",
               "ddddddu"
               "uuud");
    assert_int_equal(atomic_load(&row.checks_total), 22);
    assert_int_equal(atomic_load(&row.check_failures_total), 13);
}

static void alternating_results_change_nothing(void **state)
{
    (void)state;
    struct host_row row = {0};
    const struct verdict_rules rules = {.rise = 2, .fall = 3};
    for (int i = 0; i < 1000; i++)
        expect_run(&row, &rules, "+-", "uu");
}

static void ones_change_at_once(void **state)
{
    (void)state;
    struct host_row row = {0};
    expect_run(&row, &(struct verdict_rules){.rise = 1, .fall = 1}, "+-+--+", "ududdu");
}

static void another_process_goes_on_from_the_row(void **state)
{
    (void)state;
    struct host_row row = {.check_bad_run = 2};
    const struct verdict_rules rules = {.rise = 2, .fall = 3};
    expect_run(&row, &rules, "-", "d");
    struct host_row down = {.health = HEALTH_DOWN, .check_good_run = 1};
    expect_run(&down, &rules, "+", "u");
}

static void a_run_never_wraps(void **state)
{
    (void)state;
    struct host_row row = {.check_good_run = UINT32_MAX};
    expect_run(&row, &(struct verdict_rules){.rise = 2, .fall = 3}, "+", "u");
    assert_int_equal(atomic_load(&row.check_good_run), UINT32_MAX);
}

static void the_interval_doubles_while_clients_succeed(void **state)
{
    (void)state;
    struct host_row row = {.check_good_run = 5, .check_stretch = 1};
    const struct verdict_clients well = {.has_success = true};
    static const uint32_t wanted[] = {2, 4, 8, 10, 10};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(verdict_stretch(&row, &well), wanted[i]);
    assert_int_equal(atomic_load(&row.check_stretch), 10);
}

static void the_interval_falls_back_at_once(void **state)
{
    (void)state;
    const struct verdict_clients well = {.has_success = true}, none = {0},
                                 fault = {.has_success = true, .has_fault = true};
    struct host_row row = {.check_good_run = 5, .check_stretch = 8};
    assert_int_equal(verdict_stretch(&row, &fault), 1);
    atomic_store(&row.check_stretch, 8);
    assert_int_equal(verdict_stretch(&row, &none), 1);
    atomic_store(&row.check_stretch, 8);
    atomic_store(&row.check_good_run, 0);
    assert_int_equal(verdict_stretch(&row, &well), 1);
    struct host_row down = {.health = HEALTH_DOWN, .check_good_run = 1, .check_stretch = 4};
    assert_int_equal(verdict_stretch(&down, &well), 1);
    struct host_row fresh = {.check_good_run = 1};
    assert_int_equal(verdict_stretch(&fresh, &well), 1);
}

static void a_group_is_open_below_its_share_and_empty_without_one(void **state)
{
    (void)state;
    assert_int_equal(verdict_group(4, 4, 0), GROUP_FINE);
    assert_int_equal(verdict_group(1, 4, 0), GROUP_FINE);
    assert_int_equal(verdict_group(0, 4, 0), GROUP_EMPTY);
    assert_int_equal(verdict_group(2, 4, 50), GROUP_FINE);
    assert_int_equal(verdict_group(1, 4, 50), GROUP_OPEN);
    assert_int_equal(verdict_group(0, 4, 1), GROUP_OPEN);
    assert_int_equal(verdict_group(0, 0, 50), GROUP_EMPTY); /* nobody could be tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_exactly_at_fall_and_rise),
        cmocka_unit_test(alternating_results_change_nothing),
        cmocka_unit_test(ones_change_at_once),
        cmocka_unit_test(another_process_goes_on_from_the_row),
        cmocka_unit_test(a_run_never_wraps),
        cmocka_unit_test(the_interval_doubles_while_clients_succeed),
        cmocka_unit_test(the_interval_falls_back_at_once),
        cmocka_unit_test(a_group_is_open_below_its_share_and_empty_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

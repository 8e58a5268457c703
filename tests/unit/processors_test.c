/* SPDX-License-Identifier: MIT */
/* Tests of what is known of processors. */
#include "master/processors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void rounds_a_quota_up(void **state)
{
    (void)state;
    assert_int_equal(processors_parse_quota("200000 100000\n"), 2);
    assert_int_equal(processors_parse_quota("150000 100000\n"), 2);
    assert_int_equal(processors_parse_quota("10000 100000"), 1);
}

static void takes_anything_else_for_no_limit(void **state)
{
    (void)state;
    const char *const texts[] = {
        "max 100000\n",
        "",
        "\n",
        "100000",
        "-1 100000",
        "100000 0",
        "0 100000",
        "9223372036854775807 2",
        "1111111111111111111111111111111111111111111111111111111111111111 1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(processors_parse_quota(texts[i]), 0);
}

static void there_is_at_least_one(void **state)
{
    (void)state;
    assert_in_range(processors_usable(), 1, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_a_quota_up),
        cmocka_unit_test(takes_anything_else_for_no_limit),
        cmocka_unit_test(there_is_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

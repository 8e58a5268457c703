/* SPDX-License-Identifier: MIT */
/* Tests of descriptor limits. */
#include "master/privileges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "share/segment.h"

static void two_descriptors_a_connection_beside_what_is_kept(void **state)
{
    (void)state;
    uint64_t few = descriptors_allow(1024, 1, 1);
    assert_in_range(few, 400, 512);
    assert_int_equal(descriptors_allow(1026, 1, 1), few + 1);
    assert_true(descriptors_allow(1024, 50, 1) < few);
    assert_int_equal(descriptors_allow(1024, 1, 11), few - 5); /* a bell for each worker */
    assert_int_equal(descriptors_allow(16, 1, 1), 0);
    assert_int_equal(descriptors_allow(0, 0, 1), 0);
    assert_int_equal(descriptors_allow(UINT64_MAX, 1, 1), SEGMENT_LIVE);
}

static void refuses_more_than_the_limit_allows(void **state)
{
    (void)state;
    struct text error = {0};
    assert_int_equal(descriptors_resolve(SEGMENT_LIVE + 1, 1, 1, false, &error), 0);
    assert_non_null(strstr(error.at, "more than a worker can hold"));
    text_fini(&error);
    assert_int_equal(descriptors_resolve(10, 1, 1, false, &error), 10);
    assert_int_equal(error.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_descriptors_a_connection_beside_what_is_kept),
        cmocka_unit_test(refuses_more_than_the_limit_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

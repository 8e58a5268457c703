/* SPDX-License-Identifier: MIT */
/* Tests of the table of open connections. */
#include "share/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "share/segment.h"

static void takes_the_lowest_rows_first(void **state)
{
    struct live_allot allot;

    (void)state;
    live_allot_init(&allot);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(live_take(&allot), i);
    live_give(&allot, 17);
    live_give(&allot, 4);
    assert_int_equal(live_take(&allot), 4);
    assert_int_equal(live_take(&allot), 17);
    assert_int_equal(live_take(&allot), 1000);
    live_allot_fini(&allot);
}

static void hands_out_every_row_once_then_none(void **state)
{
    struct live_allot allot;
    unsigned char *is_taken = calloc(SEGMENT_LIVE, 1);

    (void)state;
    assert_non_null(is_taken);
    live_allot_init(&allot);
    for (uint32_t i = 0; i < SEGMENT_LIVE; i++) {
        uint32_t row = live_take(&allot);
        assert_true(row < SEGMENT_LIVE);
        assert_false(is_taken[row]);
        is_taken[row] = 1;
    }
    assert_int_equal(live_take(&allot), LIVE_NONE);
    assert_int_equal(live_take(&allot), LIVE_NONE);
    live_give(&allot, 99);
    assert_int_equal(live_take(&allot), 99);
    /* All may come back, too. */
    for (uint32_t i = 0; i < SEGMENT_LIVE; i++)
        live_give(&allot, i);
    assert_int_equal(live_take(&allot), SEGMENT_LIVE - 1);
    live_allot_fini(&allot);
    free(is_taken);
}

static void marks_how_many_rows_were_ever_used(void **state)
{
    struct live_allot allot;
    _Atomic uint32_t mark = 0;

    (void)state;
    live_allot_init(&allot);
    allot.mark = &mark;
    assert_int_equal(live_take(&allot), 0);
    assert_int_equal(mark, 1);
    assert_int_equal(live_take(&allot), 1);
    live_give(&allot, 0);
    live_give(&allot, 1);
    assert_int_equal(live_take(&allot), 1);
    assert_int_equal(mark, 2);
    live_allot_fini(&allot);
}

static void gives_each_worker_a_part_of_its_own(void **state)
{
    struct segment segment;

    (void)state;
    assert_int_equal(segment_create(&segment, NULL), 0);
    live_row(&segment, 3, SEGMENT_LIVE - 1)->id = 1;
    live_row(&segment, 4, 0)->id = 2;
    assert_int_equal(live_row(&segment, 3, SEGMENT_LIVE - 1)->id, 1);
    assert_ptr_equal(live_row(&segment, 3, SEGMENT_LIVE - 1) + 1, live_row(&segment, 4, 0));
    assert_int_equal(sizeof(struct live_row), 64);
    segment_fini(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_lowest_rows_first),
        cmocka_unit_test(hands_out_every_row_once_then_none),
        cmocka_unit_test(marks_how_many_rows_were_ever_used),
        cmocka_unit_test(gives_each_worker_a_part_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

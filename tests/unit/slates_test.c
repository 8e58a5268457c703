/* SPDX-License-Identifier: MIT */
/* Tests of the slates on which the director asks workers. */
#include "share/slates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "share/segment.h"

static int set_up(void **state)
{
    struct segment *segment = calloc(1, sizeof *segment);
    *state = segment;
    return segment != NULL ? segment_create(segment, NULL) : -1;
}

static int tear_down(void **state)
{
    segment_fini(*state);
    free(*state);
    return 0;
}

static void a_question_is_answered_once(void **state)
{
    const struct segment *segment = *state;
    struct slate_order order;
    enum slate_verdict verdict;
    char text[SLATE_TEXT_BYTES];
    assert_false(slate_look(segment, 3, &order));
    slate_ask(segment, 3, 7, SLATE_WHY, 99);
    assert_false(slate_look(segment, 4, &order));
    assert_true(slate_look(segment, 3, &order));
    assert_int_equal(order.number, 7);
    assert_int_equal(order.id, 99);
    assert_int_equal(order.kind, SLATE_WHY);
    assert_false(slate_take(segment, 3, 7, &verdict, text));
    slate_answer(segment, 3, &order, SLATE_DONE, "so it is");
    assert_false(slate_look(segment, 3, &order));
    assert_true(slate_take(segment, 3, 7, &verdict, text));
    assert_int_equal(verdict, SLATE_DONE);
    assert_string_equal(text, "so it is");
    assert_false(slate_take(segment, 3, 8, &verdict, NULL));
}

static void what_is_withdrawn_is_not_done(void **state)
{
    const struct segment *segment = *state;
    struct slate_order order;
    slate_ask(segment, 0, 5, SLATE_KILL, 1);
    slate_withdraw(segment, 0, 5);
    assert_false(slate_look(segment, 0, &order));
    /* A newer one is nobody else's to withdraw. */
    slate_ask(segment, 0, 6, SLATE_KILL, 2);
    slate_withdraw(segment, 0, 5);
    assert_true(slate_look(segment, 0, &order));
    assert_int_equal(order.id, 2);
}

static void a_late_answer_is_nobody_s(void **state)
{
    const struct segment *segment = *state;
    struct slate_order late, order;
    enum slate_verdict verdict;
    slate_ask(segment, 0, 5, SLATE_KILL, 1);
    assert_true(slate_look(segment, 0, &late));
    slate_ask(segment, 0, 6, SLATE_KILL, 2);
    slate_answer(segment, 0, &late, SLATE_DONE, NULL);
    assert_false(slate_take(segment, 0, 6, &verdict, NULL));
    assert_true(slate_look(segment, 0, &order));
    slate_answer(segment, 0, &order, SLATE_NO_SUCH, NULL);
    assert_true(slate_take(segment, 0, 6, &verdict, NULL));
    assert_int_equal(verdict, SLATE_NO_SUCH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_is_answered_once),
        TEST(what_is_withdrawn_is_not_done),
        TEST(a_late_answer_is_nobody_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the short answers. */
#include "admin/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void refusal_is_json_whatever_it_quotes(void **state)
{
    (void)state;
    struct answer answer = {0};
    answer_refusal(&answer, 404, "no host '%s'", "\"\n<x>");
    assert_int_equal(answer.status, 404);
    assert_string_equal(
        answer.body.at,
        "{\"ok\":false,\"error\":\"no host '\\u0022\\u000a\\u003cx\\u003e'\"}\n");
    answer_fini(&answer);
}

static void unknown_call_is_marked(void **state)
{
    (void)state;
    struct answer answer = {.is_unknown_call = true};
    answer_refusal(&answer, 404, "x");
    assert_string_equal(answer.body.at,
                        "{\"ok\":false,\"error\":\"x\",\"unknown_call\":true}\n");
    answer_fini(&answer);
}

static void later_answer_replaces_the_first(void **state)
{
    (void)state;
    struct answer answer = {0};
    answer_plain(&answer, 200, "a long first line");
    answer_plain(&answer, 503, "no");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer.body.at, "no\n");
    answer_fini(&answer);
    assert_int_equal(answer.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_is_json_whatever_it_quotes),
        cmocka_unit_test(unknown_call_is_marked),
        cmocka_unit_test(later_answer_replaces_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

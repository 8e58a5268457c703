/* SPDX-License-Identifier: MIT */
/* Tests of the table of calls. */
#include "admin/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

/* What the director would do, noted. */
struct asked {
    uint64_t ticket;
    int times, reopens, error;
};

static int reload(void *context, uint64_t ticket)
{
    struct asked *asked = context;
    asked->times++;
    asked->ticket = ticket;
    errno = asked->error;
    return asked->error != 0 ? -1 : 0;
}

static int reopen(void *context, uint64_t ticket)
{
    struct asked *asked = context;
    asked->reopens++;
    return reload(context, ticket);
}

static enum call_verdict begin(struct asked *asked, const char *name, enum access access,
                               const char *body, struct answer *answer)
{
    const struct admin_actions actions = {.context = asked, .reload = reload, .reopen = reopen};
    const struct call_request request = {.name = name,
                                         .access = access,
                                         .type = "application/x-www-form-urlencoded",
                                         .body = body,
                                         .length = strlen(body),
                                         .ticket = 42};
    answer_fini(answer);
    return call_begin(&request, &actions, answer);
}

static void reload_waits_for_its_result(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct answer answer = {0};
    assert_int_equal(begin(&asked, "reload", ACCESS_FULL, "", &answer), CALL_WAITS);
    assert_int_equal(asked.ticket, 42);
    call_finish(&(struct call_result){true, 0, 8, "say \"hi\""}, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.type, "application/json");
    assert_string_equal(
        answer.body.at,
        "{\"ok\":true,\"generation\":8,\"message\":\"say \\u0022hi\\u0022\"}\n");
    answer_fini(&answer);
}

static void close_log_is_master_s_to_do(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct answer answer = {0};
    assert_int_equal(begin(&asked, "closeLog", ACCESS_FULL, "", &answer), CALL_WAITS);
    assert_int_equal(asked.reopens, 1);
    assert_int_equal(asked.ticket, 42);
    assert_int_equal(begin(&asked, "closeLog", ACCESS_READONLY, "", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 403);
    assert_int_equal(asked.reopens, 1);
    begin(&asked, "reload", ACCESS_FULL, "", &answer);
    assert_int_equal(asked.reopens, 1);
    asked.error = ENOBUFS;
    assert_int_equal(begin(&asked, "closeLog", ACCESS_FULL, "", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 503);
    answer_fini(&answer);
}

static void refused_reload_tells_every_problem(void **state)
{
    (void)state;
    struct answer answer = {0};
    call_finish(&(struct call_result){false, 0, 7, "a.conf:1: bad\nb.conf:2: worse"}, &answer);
    assert_int_equal(answer.status, 409);
    assert_string_equal(answer.body.at,
                        "{\"ok\":false,\"error\":\"a.conf:1: bad\\u000ab.conf:2: worse\"}\n");
    answer_fini(&answer);
}

static void readonly_door_changes_nothing(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct answer answer = {0};
    assert_int_equal(begin(&asked, "reload", ACCESS_READONLY, "", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 403);
    assert_int_equal(asked.times, 0);
    assert_non_null(strstr(answer.body.at, "\"ok\":false"));
    assert_int_equal(begin(&asked, "shutdown", ACCESS_READONLY, "", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 403);
    answer_fini(&answer);
}

static void unknown_call_suggests_the_nearest(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct answer answer = {0};
    begin(&asked, "relaod", ACCESS_FULL, "", &answer);
    assert_int_equal(answer.status, 404);
    assert_non_null(strstr(answer.body.at, "did you mean 'reload'?"));
    assert_non_null(strstr(answer.body.at, "\"unknown_call\":true"));
    begin(&asked, "zzzzzzzz\"<", ACCESS_FULL, "", &answer);
    assert_int_equal(answer.status, 404);
    assert_null(strstr(answer.body.at, "did you mean"));
    assert_null(strstr(answer.body.at, "z\"<"));
    begin(&asked, "", ACCESS_FULL, "", &answer);
    assert_int_equal(answer.status, 404);
    answer_fini(&answer);
}

static void refuses_fields_a_call_does_not_take(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct answer answer = {0};
    assert_int_equal(begin(&asked, "reload", ACCESS_FULL, "force=1", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.body.at, "takes no field 'force'"));
    begin(&asked, "reload", ACCESS_FULL, "&&", &answer);
    assert_int_equal(answer.status, 400);
    assert_int_equal(asked.times, 0);
    answer_fini(&answer);
}

static void says_when_master_cannot_be_asked(void **state)
{
    (void)state;
    struct asked asked = {.error = ENOBUFS};
    struct answer answer = {0};
    assert_int_equal(begin(&asked, "reload", ACCESS_FULL, "", &answer), CALL_ANSWERED);
    assert_int_equal(answer.status, 503);
    answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_waits_for_its_result),
        cmocka_unit_test(close_log_is_master_s_to_do),
        cmocka_unit_test(refused_reload_tells_every_problem),
        cmocka_unit_test(readonly_door_changes_nothing),
        cmocka_unit_test(unknown_call_suggests_the_nearest),
        cmocka_unit_test(refuses_fields_a_call_does_not_take),
        cmocka_unit_test(says_when_master_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

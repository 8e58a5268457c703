/* SPDX-License-Identifier: MIT */
/* Tests of the calls that change rows. */
#include "admin/steer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "admin_rig.h"
#include "base/log.h"

/* What the director would do, noted. */
struct director {
    struct admin_rig *rig;
    int changes;
    struct answer answer;
};

static bool look(void *context, struct status *out)
{
    const struct director *director = context;
    if (director->rig == NULL)
        return false;
    *out = director->rig->status;
    return true;
}

static void changed(void *context)
{
    struct director *director = context;
    director->changes++;
}

/* Makes the call; returns its status, which the answer in words must fit. */
static unsigned int call(struct director *director, const char *name, const char *body)
{
    const struct admin_actions actions = {
        .context = director, .look = look, .changed = changed};
    const struct call_request request = {.name = name,
                                         .access = ACCESS_FULL,
                                         .by = "the test",
                                         .type = "application/x-www-form-urlencoded",
                                         .body = body,
                                         .length = strlen(body)};
    answer_fini(&director->answer);
    assert_int_equal(call_begin(&request, &actions, &director->answer), CALL_ANSWERED);
    bool is_ok = director->answer.status == 200;
    const char *begins = is_ok ? "{\"ok\":true,\"message\":\"" : "{\"ok\":false,\"error\":\"";
    assert_int_equal(strncmp(director->answer.body.at, begins, strlen(begins)), 0);
    return director->answer.status;
}

static void says(const struct director *director, const char *what)
{
    if (strstr(director->answer.body.at, what) == NULL)
        fail_msg("%s does not say %s", director->answer.body.at, what);
}

#define APP1 "service=web&group=main&name=app1"

static uint32_t epoch(const struct admin_rig *rig)
{
    return atomic_load(&rig->segment.groups[4].epoch);
}

static void takes_a_host_out_and_brings_it_back(void **state)
{
    struct director director = {.rig = *state};
    struct host_row *row = &director.rig->segment.hosts[10];
    uint32_t before = epoch(director.rig);
    assert_int_equal(call(&director, "hostAdminDown", APP1), 200);
    says(&director, "\"web/main/app1: up -\\u003e down\"");
    assert_int_equal(atomic_load(&row->admin), ADMIN_DOWN);
    assert_int_equal(epoch(director.rig), before + 1);
    assert_int_equal(call(&director, "hostDrain", APP1), 200);
    assert_int_equal(atomic_load(&row->admin), ADMIN_DRAIN);
    assert_int_equal(atomic_load(&row->drain_until_ns), 0);
    assert_int_equal(call(&director, "hostAdminUp", APP1), 200);
    assert_int_equal(atomic_load(&row->admin), ADMIN_UP);
    assert_int_equal(director.changes, 3);
    for (uint32_t other = 11; other < 13; other++)
        assert_int_equal(atomic_load(&director.rig->segment.hosts[other].change_count), 0);
    answer_fini(&director.answer);
}

static void asking_twice_changes_nothing(void **state)
{
    struct director director = {.rig = *state};
    assert_int_equal(call(&director, "hostAdminUp", APP1), 200);
    says(&director, "web/main/app1: up already");
    assert_int_equal(call(&director, "setWeight", APP1 "&weight=3"), 200);
    says(&director, "weight 3 already");
    assert_int_equal(director.changes, 0);
    answer_fini(&director.answer);
}

static void drain_over_says_from_when_until_when(void **state)
{
    struct director director = {.rig = *state};
    struct host_row *row = &director.rig->segment.hosts[10];
    uint64_t before_ns = clock_now_ns();
    assert_int_equal(call(&director, "hostDrain", APP1 "&over=30s"), 200);
    says(&director, "up -\\u003e drain over 30s");
    uint64_t from_ns = atomic_load(&row->drain_from_ns);
    assert_true(from_ns >= before_ns && from_ns <= clock_now_ns());
    assert_int_equal(atomic_load(&row->drain_until_ns) - from_ns, 30 * CLOCK_NS_PER_S);
    assert_int_equal(call(&director, "hostAdminUp", APP1), 200);
    assert_int_equal(atomic_load(&row->drain_until_ns), 0);
    assert_int_equal(atomic_load(&row->drain_from_ns), 0);
    assert_int_equal(call(&director, "hostDrain", APP1 "&over=1"), 200);
    assert_int_equal(call(&director, "hostAdminDown", APP1), 200);
    assert_int_equal(atomic_load(&row->drain_until_ns), 0);
    answer_fini(&director.answer);
}

static void refuses_values_that_are_none(void **state)
{
    static const char *const bad[][2] = {{"setWeight", APP1 "&weight=257"},
                                         {"setWeight", APP1 "&weight=-1"},
                                         {"setWeight", APP1 "&weight="},
                                         {"setWeight", APP1 "&weight=1.5"},
                                         {"setWeight", APP1},
                                         {"hostDrain", APP1 "&over=0"},
                                         {"hostDrain", APP1 "&over=soon"},
                                         {"hostDrain", APP1 "&over=8d"},
                                         {"hostDrain", APP1 "&over="},
                                         {"hostAdminDown", "service=web&group=main"},
                                         {"hostAdminUp", APP1 "&over=1s"},
                                         {"enableGroup", "service=web"}};
    struct director director = {.rig = *state};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (call(&director, bad[i][0], bad[i][1]) != 400)
            fail_msg("%s %s: %s", bad[i][0], bad[i][1], director.answer.body.at);
    assert_int_equal(director.changes, 0);
    assert_int_equal(atomic_load(&director.rig->segment.hosts[10].change_count), 0);
    answer_fini(&director.answer);
}

static void weighs_from_0_to_256(void **state)
{
    struct director director = {.rig = *state};
    assert_int_equal(call(&director, "setWeight", APP1 "&weight=0"), 200);
    says(&director, "weight 3 -\\u003e 0");
    assert_int_equal(atomic_load(&director.rig->segment.hosts[10].weight), 0);
    assert_int_equal(call(&director, "setWeight", APP1 "&weight=256"), 200);
    assert_int_equal(atomic_load(&director.rig->segment.hosts[10].weight), 256);
    assert_int_equal(atomic_load(&director.rig->segment.hosts[11].weight), 4);
    answer_fini(&director.answer);
}

static void names_the_nearest_known_of_what_is_unknown(void **state)
{
    struct director director = {.rig = *state};
    admin_rig_add_spare(director.rig);
    assert_int_equal(call(&director, "hostAdminDown", "service=wen&group=main&name=app1"), 404);
    says(&director, "there is no service 'wen'; did you mean 'web'?");
    assert_int_equal(call(&director, "hostAdminDown", "service=web&group=mian&name=app1"), 404);
    says(&director, "there is no group of service 'web' called 'mian'; did you mean 'main'?");
    assert_int_equal(call(&director, "hostAdminDown", "service=web&group=main&name=app2"), 404);
    says(&director, "there is no host of group 'main' called 'app2'; did you mean 'app1'?");
    assert_int_equal(call(&director, "hostAdminDown", "service=web&group=main&name=%22%3c"),
                     404);
    assert_null(strstr(director.answer.body.at, "did you mean"));
    /* A group of another service is none of this one's. */
    assert_int_equal(call(&director, "enableGroup", "service=mail&group=spare"), 404);
    assert_null(strstr(director.answer.body.at, "unknown_call"));
    assert_int_equal(director.changes, 0);
    answer_fini(&director.answer);
}

static void plain_name_means_all_its_addresses(void **state)
{
    struct director director = {.rig = *state};
    const struct host_row *rows = director.rig->segment.hosts;
    admin_rig_add_spare(director.rig);
    assert_int_equal(call(&director, "hostDrain", "service=web&group=spare&name=db"), 200);
    says(&director, "web/spare/db@192.0.2.1: up -\\u003e drain\\u000aweb/spare/db@192.0.2.2:");
    assert_int_equal(atomic_load(&rows[13].admin), ADMIN_DRAIN);
    assert_int_equal(atomic_load(&rows[14].admin), ADMIN_DRAIN);
    assert_int_equal(director.changes, 1);
    assert_int_equal(
        call(&director, "hostAdminUp", "service=web&group=spare&name=db@192.0.2.2"), 200);
    assert_int_equal(atomic_load(&rows[13].admin), ADMIN_DRAIN);
    assert_int_equal(atomic_load(&rows[14].admin), ADMIN_UP);
    answer_fini(&director.answer);
}

static void tells_why_a_host_that_came_back_is_still_out(void **state)
{
    struct director director = {.rig = *state};
    host_set_health(&director.rig->segment, 10, HEALTH_DOWN, "connect: refused");
    assert_int_equal(call(&director, "hostAdminDown", APP1), 200);
    assert_int_equal(call(&director, "hostAdminUp", APP1), 200);
    says(&director, "down -\\u003e up; it is down: connect: refused");
    answer_fini(&director.answer);
}

static void retry_ends_an_ejection_and_asks_for_a_check(void **state)
{
    struct director director = {.rig = *state};
    struct segment *segment = &director.rig->segment;
    const struct host_eject_rules rules = {
        .failures = 1, .time_ns = 10 * CLOCK_NS_PER_S, .most_percent = 100, .n_hosts = 3};
    uint64_t now_ns = director.rig->status.now_ns;
    assert_true(host_note_failure(segment, 0, 10, FAILURE_REFUSED, &rules, now_ns, "refused"));
    assert_int_equal(host_state(&segment->hosts[10], now_ns), HOST_EJECTED);
    assert_int_equal(call(&director, "retryHost", APP1), 200);
    says(&director, "retried now, was ejected");
    assert_int_equal(host_state(&segment->hosts[10], now_ns), HOST_UP);
    assert_int_equal(atomic_load(&segment->hosts[10].fails_in_row), 0);
    assert_int_equal(atomic_load(&segment->hosts[10].retry_wish), 1);
    assert_int_equal(director.changes, 1);
    host_set_admin(segment, 10, ADMIN_DOWN);
    assert_int_equal(call(&director, "retryHost", APP1), 409);
    says(&director, "hostAdminUp brings it back");
    assert_int_equal(atomic_load(&segment->hosts[10].retry_wish), 1);
    answer_fini(&director.answer);
}

static void enables_a_group_by_its_name(void **state)
{
    struct director director = {.rig = *state};
    struct service_row *row = &director.rig->segment.services[5];
    admin_rig_add_spare(director.rig);
    assert_int_equal(call(&director, "enableGroup", "service=web&group=spare"), 200);
    says(&director, "\"web: group main -\\u003e spare\"");
    assert_int_equal(atomic_load(&row->enabled), 1);
    assert_int_equal(call(&director, "enableGroup", "service=web&group=spare"), 200);
    says(&director, "group spare already");
    assert_int_equal(director.changes, 1);
    director.rig->groups[0].n_hosts = 0;
    assert_int_equal(call(&director, "enableGroup", "service=web&group=main"), 409);
    says(&director, "has no hosts");
    assert_int_equal(atomic_load(&row->enabled), 1);
    director.rig->groups[0].n_hosts = 3;
    assert_int_equal(call(&director, "enableGroup", "service=web&group=main"), 200);
    assert_int_equal(atomic_load(&row->enabled), 0);
    answer_fini(&director.answer);
}

static void each_change_leaves_one_line(void **state)
{
    struct director director = {.rig = *state};
    char lines[4096];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_to_fd(ends[1]);
    call(&director, "setWeight", APP1 "&weight=9");
    call(&director, "setWeight", APP1 "&weight=9");
    call(&director, "setWeight", APP1 "&weight=999");
    call(&director, "hostAdminDown", APP1);
    log_to_fd(STDERR_FILENO);
    close(ends[1]);
    ssize_t length = read(ends[0], lines, sizeof lines - 1);
    close(ends[0]);
    assert_true(length > 0);
    lines[length] = '\0';
    const char *first = strstr(lines, "setWeight web/main/app1: weight 3 -> 9, by the test\n");
    const char *second =
        strstr(lines, "hostAdminDown web/main/app1: up -> down, by the test\n");
    assert_true(first != NULL && second != NULL && first < second);
    size_t n = 0;
    for (const char *at = lines; (at = strchr(at, '\n')) != NULL; at++)
        n++;
    assert_int_equal(n, 2);
    answer_fini(&director.answer);
}

static void nothing_can_be_steered_before_the_first_configuration(void **state)
{
    (void)state;
    struct director director = {0};
    assert_int_equal(call(&director, "hostAdminDown", APP1), 503);
    assert_int_equal(call(&director, "retryHost", APP1), 503);
    assert_int_equal(call(&director, "enableGroup", "service=web&group=main"), 503);
    answer_fini(&director.answer);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(takes_a_host_out_and_brings_it_back),
        RIG_TEST(asking_twice_changes_nothing),
        RIG_TEST(drain_over_says_from_when_until_when),
        RIG_TEST(refuses_values_that_are_none),
        RIG_TEST(weighs_from_0_to_256),
        RIG_TEST(names_the_nearest_known_of_what_is_unknown),
        RIG_TEST(plain_name_means_all_its_addresses),
        RIG_TEST(tells_why_a_host_that_came_back_is_still_out),
        RIG_TEST(retry_ends_an_ejection_and_asks_for_a_check),
        RIG_TEST(enables_a_group_by_its_name),
        RIG_TEST(each_change_leaves_one_line),
        RIG_TEST(nothing_can_be_steered_before_the_first_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

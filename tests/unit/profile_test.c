/* SPDX-License-Identifier: MIT */
/* Tests of the account of a loop's time. */
#include "relay/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>
#include <jansson.h>

#include "base/clock.h"

struct scene {
    struct profile profile;
    struct ev_loop *loop;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    *state = scene;
    scene->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    return scene->loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    ev_loop_destroy(scene->loop);
    free(scene);
    return 0;
}

/* Is busy until the clock shows another time. */
static void pass(void)
{
    uint64_t from_ns = clock_now_ns();
    while (clock_now_ns() == from_ns)
        ;
}

static uint64_t sum(const struct profile *profile)
{
    uint64_t spent_ns = 0;
    for (int phase = 0; phase < PROFILE_PHASES; phase++)
        spent_ns += profile->spent_ns[phase];
    return spent_ns;
}

static void nothing_is_noted_while_it_is_off(void **state)
{
    struct scene *scene = *state;
    profile_enter(&scene->profile, PROFILE_RELAY);
    profile_enter_phase(&scene->profile, PHASE_QUEUE);
    ev_run(scene->loop, EVRUN_NOWAIT);
    profile_stop(&scene->profile);
    assert_int_equal(sum(&scene->profile), 0);
    assert_int_equal(scene->profile.mark_ns, 0);
}

static void all_time_belongs_to_one_phase(void **state)
{
    struct scene *scene = *state;
    struct profile *profile = &scene->profile;
    profile_start(profile, scene->loop, 60);
    profile_enter(profile, PROFILE_ACCEPT);
    pass();
    for (int phase = 0; phase < PHASES; phase++) {
        profile_enter_phase(profile, (enum phase)phase);
        pass();
    }
    profile_stop(profile);
    assert_false(profile->is_on);
    assert_int_equal(sum(profile), profile->mark_ns - profile->since_ns);
    static const enum profile_phase entered[] = {PROFILE_ACCEPT,  PROFILE_QUEUE,
                                                 PROFILE_CONNECT, PROFILE_RELAY,
                                                 PROFILE_CLOSING, PROFILE_SORRY};
    for (size_t i = 0; i < sizeof entered / sizeof *entered; i++)
        assert_true(profile->spent_ns[entered[i]] > 0);
    assert_int_equal(profile->spent_ns[PROFILE_BELL], 0);
    assert_int_equal(profile->spent_ns[PROFILE_WAIT], 0);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct scene *scene = timer->data;
    (void)loop;
    (void)revents;
    profile_enter(&scene->profile, PROFILE_LOG);
    pass();
}

static void waiting_is_told_from_work(void **state)
{
    struct scene *scene = *state;
    struct profile *profile = &scene->profile;
    struct ev_timer timer;
    ev_timer_init(&timer, on_timer, 0.02, 0.);
    timer.data = scene;
    ev_timer_start(scene->loop, &timer);
    profile_start(profile, scene->loop, 60);
    while (ev_is_active(&timer))
        ev_run(scene->loop, EVRUN_ONCE);
    profile_stop(profile);
    assert_true(profile->spent_ns[PROFILE_WAIT] > CLOCK_NS_PER_MS);
    assert_true(profile->spent_ns[PROFILE_LOG] > 0);
    assert_true(profile->spent_ns[PROFILE_LOOP] > 0);
    assert_int_equal(sum(profile), profile->mark_ns - profile->since_ns);
}

static void it_ends_by_itself(void **state)
{
    struct scene *scene = *state;
    profile_start(&scene->profile, scene->loop, 0);
    ev_run(scene->loop, EVRUN_NOWAIT);
    assert_false(scene->profile.is_on);
    ev_run(scene->loop, EVRUN_NOWAIT);
    assert_int_equal(sum(&scene->profile), scene->profile.mark_ns - scene->profile.since_ns);
}

static void begun_anew_it_forgets(void **state)
{
    struct scene *scene = *state;
    profile_start(&scene->profile, scene->loop, 60);
    profile_enter(&scene->profile, PROFILE_RELAY);
    pass();
    profile_start(&scene->profile, scene->loop, 60);
    profile_stop(&scene->profile);
    assert_int_equal(scene->profile.spent_ns[PROFILE_RELAY], 0);
}

static void percents_sum_to_a_hundred(void **state)
{
    struct scene *scene = *state;
    struct profile *profile = &scene->profile;
    struct text out = {0};
    *profile = (struct profile){.since_ns = 1000, .mark_ns = 4000};
    profile->spent_ns[PROFILE_WAIT] = 1500;
    profile->spent_ns[PROFILE_RELAY] = 1000;
    profile->spent_ns[PROFILE_OTHER] = 500;
    text_add(&out, "{");
    profile_print(&out, profile);
    text_add(&out, "}");
    json_t *json = json_loads(out.at, 0, NULL);
    assert_non_null(json);
    json_t *phases = json_object_get(json, "phases");
    double all = json_number_value(json_object_get(json, "wait_pct"));
    assert_true(all > 49.9 && all < 50.1);
    assert_int_equal(json_object_size(phases), PROFILE_PHASES - 1);
    for (void *at = json_object_iter(phases); at != NULL;
         at = json_object_iter_next(phases, at))
        all += json_number_value(json_object_iter_value(at));
    assert_true(all > 99.9 && all < 100.1);
    json_decref(json);
    text_fini(&out);
}

static void of_no_time_at_all_there_are_noughts(void **state)
{
    (void)state;
    const struct profile none = {0};
    struct text out = {0};
    profile_print(&out, &none);
    assert_non_null(strstr(out.at, "\"wait_pct\":0.000"));
    text_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_noted_while_it_is_off),
        TEST(all_time_belongs_to_one_phase),
        TEST(waiting_is_told_from_work),
        TEST(it_ends_by_itself),
        TEST(begun_anew_it_forgets),
        TEST(percents_sum_to_a_hundred),
        cmocka_unit_test(of_no_time_at_all_there_are_noughts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

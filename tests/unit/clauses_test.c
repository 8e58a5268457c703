/* SPDX-License-Identifier: MIT */
/* Promises of conf/clauses: when_no_host, sticky, lifetime, standby. */
#include "conf/clauses.h"

#include "conf_fixture.h"

#define SERVICE_LINES                                                                          \
    "[group main]\nhost = a 10.0.0.11:8080\n[group spare]\nhost = a 10.0.0.12:8080\n"          \
    "[group last]\nhost = a 10.0.0.13:8080\n"                                                  \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"

static void assert_service_refused(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text, SERVICE_LINES "%s\n", line);
    assert_refused(text, says);
}

static void assert_group_refused(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text, BASE_LINES "%s\n", line);
    assert_refused(text, says);
}

static void clients_are_closed_held_or_told(void **state)
{
    (void)state;
    struct model *model = load_good(SERVICE_LINES);
    assert_int_equal(model->services[0].when_no_host.action, NO_HOST_CLOSE);
    assert_string_equal(model->services[0].when_no_host.sorry.path, "");
    conf_free(model);
    model = load_good(SERVICE_LINES "when_no_host = hold 5s\n");
    assert_int_equal(model->services[0].when_no_host.action, NO_HOST_HOLD);
    assert_int_equal(model->services[0].when_no_host.hold_ms, 5000);
    conf_free(model);
    /* Longer than a connection may be idle: only while it waits, so it is no contradiction. */
    struct problems problems = {0};
    model = load_text(SERVICE_LINES "when_no_host = hold 1h\nidle_timeout = 1s\n"
                                    "standby = spare last\n",
                      &problems);
    assert_non_null(model);
    assert_int_equal(problems.n_warnings, 0);
    conf_free(model);
    problems_fini(&problems);
    assert_service_refused("when_no_host = explode",
                           "[service web] when_no_host: \"explode\" is "
                           "not one of close, hold DURATION, sorry FILE");
    assert_service_refused("when_no_host = hodl 5s", "did you mean hold?");
    assert_service_refused("when_no_host = hold", "\"hold\" is not one of close");
    assert_service_refused("when_no_host = hold soon", "\"soon\" is not a duration");
    assert_service_refused("when_no_host = hold 0", "0 is out of bounds: must be 1ms to 1h");
    assert_service_refused("when_no_host = hold 2h", "2h is out of bounds: must be 1ms to 1h");
    assert_service_refused("when_no_host = hold 99999999999999999999d", "out of bounds");
    assert_service_refused("when_no_host = close 5s", "\"close 5s\" is not one of");
    assert_service_refused("when_no_host = sorry", "\"sorry\" is not one of");
    assert_service_refused("when_no_host = sorry a b", "\"sorry a b\" is not one of");
    assert_service_refused("when_no_host =", "needs a value");
    assert_service_refused("when_no_host = sorry /nowhere/x.html",
                           "/nowhere/x.html cannot be opened: No such file");
}

static void sticky_is_none_or_by_source(void **state)
{
    (void)state;
    struct model *model = load_good(BASE_LINES);
    assert_int_equal(model->groups[0].sticky_ms, 0);
    conf_free(model);
    model = load_good(BASE_LINES "sticky = source 30m\n");
    assert_int_equal(model->groups[0].sticky_ms, 1800000);
    conf_free(model);
    assert_group_refused("sticky = source", "[group main] sticky: \"source\" is not none or");
    assert_group_refused("sticky = cookie", "\"cookie\" is not none or source DURATION");
    assert_group_refused("sticky = sorce 5m", "did you mean source?");
    assert_group_refused("sticky = none 5m", "\"none 5m\" is not none or");
    assert_group_refused("sticky = source 5m x", "is not none or");
    assert_group_refused("sticky = source 0", "must be 1s to 365d");
    assert_group_refused("sticky = source 366d", "must be 1s to 365d");
    assert_group_refused("sticky = 30m", "\"30m\" is not none or");
}

static void lifetime_may_have_a_share(void **state)
{
    (void)state;
    struct model *model = load_good(SERVICE_LINES "lifetime = 90\n");
    assert_int_equal(model->services[0].lifetime_ms, 90000);
    assert_int_equal(model->services[0].lifetime_spread, 0);
    conf_free(model);
    model = load_good(SERVICE_LINES "lifetime = 1h 10%\n");
    assert_int_equal(model->services[0].lifetime_ms, 3600000);
    assert_int_equal(model->services[0].lifetime_spread, 10);
    conf_free(model);
    assert_service_refused("lifetime = 1h 10", "\"10\" is not a share from 0% to 100%");
    assert_service_refused("lifetime = 1h 10% x", "\"1h 10% x\" is not a duration, with");
    assert_service_refused("lifetime = soon", "\"soon\" is not a duration");
    assert_service_refused("lifetime = 366d", "366d is out of bounds: must be 0 to 365d");
}

static void standby_groups_keep_their_order(void **state)
{
    (void)state;
    struct model *model = load_good(SERVICE_LINES "standby = last  spare\nfailover = no\n");
    const struct model_service *service = &model->services[0];
    assert_int_equal(service->n_standby, 2);
    assert_int_equal(service->standby[0], 2);
    assert_int_equal(service->standby[1], 1);
    assert_false(service->failover);
    conf_free(model);
    model = load_good(SERVICE_LINES "standby =\n");
    assert_int_equal(model->services[0].n_standby, 0);
    assert_true(model->services[0].failover);
    conf_free(model);
    assert_service_refused(
        "standby = last sprae",
        "[service web] standby: there is no [group sprae]: did you mean spare?");
    assert_service_refused("standby = last spare last", "group last is named twice");
    assert_service_refused("standby = spare main",
                           "standby: main is the service's enabled group already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_closed_held_or_told),
        cmocka_unit_test(sticky_is_none_or_by_source),
        cmocka_unit_test(lifetime_may_have_a_share),
        cmocka_unit_test(standby_groups_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

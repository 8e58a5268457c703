/* SPDX-License-Identifier: MIT */
/* Tests of running.json. */
#include "admin/listing.h"
#include "admin/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <jansson.h>

#include "admin_rig.h"

static json_t *view(const struct admin_rig *rig)
{
    struct text text = {0};
    view_json(&text, &rig->status);
    assert_false(text.failed);
    json_error_t error;
    json_t *json = json_loads(text.at, JSON_REJECT_DUPLICATES, &error);
    text_fini(&text);
    if (json == NULL)
        fail_msg("%s", error.text);
    return json;
}

/* Each key of the list is there, with a value of the type that its letter names. */
static void has_keys(const json_t *object, const char *const keys[][2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, keys[i][0]);
        if (value == NULL)
            fail_msg("no key %s", keys[i][0]);
        json_type type = json_typeof(value);
        bool is_number = type == JSON_INTEGER || type == JSON_REAL;
        switch (keys[i][1][0]) {
        case 's':
            assert_int_equal(type, JSON_STRING);
            break;
        case 'i':
            assert_int_equal(type, JSON_INTEGER);
            break;
        case 'n':
            assert_true(is_number);
            break;
        case 'a':
            assert_int_equal(type, JSON_ARRAY);
            break;
        default:
            assert_int_equal(type, JSON_OBJECT);
        }
    }
}
#define HAS_KEYS(object, keys) has_keys(object, keys, sizeof keys / sizeof *keys)

static void json_has_every_promised_key(void **state)
{
    static const char *const daemon_keys[][2] = {{"version", "s"},  {"generation", "i"},
                                                 {"uptime_s", "n"}, {"state", "s"},
                                                 {"workers", "a"},  {"services", "a"}};
    static const char *const worker_keys[][2] = {{"id", "i"},
                                                 {"pid", "i"},
                                                 {"state", "s"},
                                                 {"connections", "i"},
                                                 {"accepted_total", "i"},
                                                 {"loop_lag_ms", "n"},
                                                 {"restarts", "i"}};
    static const char *const service_keys[][2] = {
        {"name", "s"},     {"protocol", "s"},    {"listen", "a"},
        {"group", "s"},    {"connections", "i"}, {"connections_total", "i"},
        {"bytes_in", "i"}, {"bytes_out", "i"},   {"errors", "o"},
        {"groups", "a"}};
    static const char *const group_keys[][2] = {
        {"name", "s"}, {"scheduler", "s"}, {"hosts", "a"}};
    static const char *const host_keys[][2] = {
        {"name", "s"},     {"address", "s"},     {"state", "s"},
        {"weight", "i"},   {"connections", "i"}, {"connections_total", "i"},
        {"bytes_in", "i"}, {"bytes_out", "i"},   {"failures_total", "i"},
        {"since", "s"},    {"reason", "s"}};
    json_t *json = view(*state);
    HAS_KEYS(json, daemon_keys);
    HAS_KEYS(json_array_get(json_object_get(json, "workers"), 0), worker_keys);
    const json_t *service = json_array_get(json_object_get(json, "services"), 0);
    HAS_KEYS(service, service_keys);
    const json_t *group = json_array_get(json_object_get(service, "groups"), 0);
    HAS_KEYS(group, group_keys);
    HAS_KEYS(json_array_get(json_object_get(group, "hosts"), 0), host_keys);
    json_decref(json);
}

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void json_shows_what_the_rows_hold(void **state)
{
    json_t *json = view(*state);
    assert_int_equal(number(json, "generation"), 7);
    assert_true(json_number_value(json_object_get(json, "uptime_s")) == 12.5);
    assert_string_equal(string(json, "state"), "serving");
    assert_int_equal(json_array_size(json_object_get(json, "workers")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "services")), 2);

    const json_t *service = json_array_get(json_object_get(json, "services"), 0);
    assert_string_equal(string(service, "name"), "web");
    assert_string_equal(string(service, "protocol"), "tcp");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(service, "listen"), 0)), "*:80");
    assert_int_equal(number(service, "connections"), 8);
    assert_int_equal(number(service, "connections_total"), 1000);
    assert_int_equal(number(service, "waiting"), 2);

    const json_t *group = json_array_get(json_object_get(service, "groups"), 0);
    assert_string_equal(string(group, "scheduler"), "leastconn");
    const json_t *host = json_array_get(json_object_get(group, "hosts"), 0);
    assert_string_equal(string(host, "address"), "10.0.0.11:8080");
    assert_string_equal(string(host, "since"), "2026-11-22T07:00:00Z");
    assert_int_equal(number(host, "connections"), 4);
    assert_int_equal(number(host, "bytes_out"), 10000);
    assert_int_equal(number(host, "failures_total"), 6);
    assert_int_equal(number(json_object_get(host, "failures"), "timeout"), 6);
    json_decref(json);
}

static void json_errors_leave_out_good_ends(void **state)
{
    json_t *json = view(*state);
    const json_t *services = json_object_get(json, "services");
    const json_t *errors = json_object_get(json_array_get(services, 0), "errors");
    assert_int_equal(json_object_size(errors), 1);
    assert_int_equal(number(errors, "connect_failed"), 14);
    errors = json_object_get(json_array_get(services, 1), "errors");
    assert_int_equal(json_object_size(errors), 0);
    json_decref(json);
}

static void json_carries_hostile_names_unharmed(void **state)
{
    struct admin_rig *rig = *state;
    rig->hosts[1].name = "\"><script>\n'&";
    host_set_health(&rig->segment, 11, HEALTH_DOWN, "said \"</b>\"\r\n");
    json_t *json = view(rig);
    const json_t *service = json_array_get(json_object_get(json, "services"), 0);
    const json_t *group = json_array_get(json_object_get(service, "groups"), 0);
    const json_t *host = json_array_get(json_object_get(group, "hosts"), 1);
    assert_string_equal(string(host, "name"), "\"><script>\n'&");
    assert_string_equal(string(host, "reason"), "said \"</b>\"\r\n");
    assert_string_equal(string(host, "state"), "down");
    json_decref(json);
}

static const json_t *host_of(const json_t *json, size_t group, size_t host)
{
    const json_t *service = json_array_get(json_object_get(json, "services"), 0);
    const json_t *found = json_array_get(json_object_get(service, "groups"), group);
    return json_array_get(json_object_get(found, "hosts"), host);
}

static void json_tells_of_checks_and_changes(void **state)
{
    struct admin_rig *rig = *state;
    struct host_row *row = &rig->segment.hosts[10];
    json_t *json = view(rig);
    const json_t *host = host_of(json, 0, 0);
    static const char *const unknown[] = {"check_ms", "next_check_s", "slow_start",
                                          "drain_left_s", "ports_left"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_true(json_is_null(json_object_get(host, unknown[i])));
    assert_string_equal(string(host, "check"), "none");
    assert_int_equal(json_array_size(json_object_get(host, "changes")), 0);
    json_decref(json);

    rig->groups[0].check = (struct model_check){.kind = CHECK_TALK, .text = "send \"a\\r\""};
    atomic_store(&row->checks_total, 7);
    atomic_store(&row->check_failures_total, 2);
    atomic_store(&row->check_took_ns, 1250000);
    atomic_store(&row->next_check_ns, rig->status.now_ns + 1500 * CLOCK_NS_PER_MS);
    atomic_store(&row->ports_left, 1);
    host_set_health(&rig->segment, 10, HEALTH_DOWN, "no \"answer\"");
    json = view(rig);
    host = host_of(json, 0, 0);
    assert_string_equal(string(host, "check"), "send \"a\\r\"");
    assert_int_equal(number(host, "checks_total"), 7);
    assert_int_equal(number(host, "check_failures_total"), 2);
    assert_true(json_number_value(json_object_get(host, "check_ms")) == 1.25);
    assert_true(json_number_value(json_object_get(host, "next_check_s")) == 1.5);
    assert_true(json_is_integer(json_object_get(host, "ports_left")));
    assert_int_equal(number(host, "ports_left"), 0);
    const json_t *change = json_array_get(json_object_get(host, "changes"), 0);
    assert_string_equal(string(change, "state"), "down");
    assert_string_equal(string(change, "reason"), "no \"answer\"");
    assert_int_equal(strlen(string(change, "time")), strlen("2026-11-22T07:00:00Z"));
    json_decref(json);
}

static void json_lists_standby_groups_with_their_roles(void **state)
{
    struct admin_rig *rig = *state;
    admin_rig_add_spare(rig);
    rig->services[0].max_connections = 1000;
    atomic_store(&rig->segment.services[5].enabled, 1);
    json_t *json = view(rig);
    const json_t *service = json_array_get(json_object_get(json, "services"), 0);
    assert_string_equal(string(service, "group"), "main");
    assert_string_equal(string(service, "enabled"), "spare");
    assert_int_equal(number(service, "max_connections"), 1000);
    const json_t *groups = json_object_get(service, "groups");
    assert_int_equal(json_array_size(groups), 2);
    const json_t *main = json_array_get(groups, 0), *spare = json_array_get(groups, 1);
    assert_string_equal(string(main, "name"), "main");
    assert_string_equal(string(main, "role"), "standby");
    assert_int_equal(number(main, "usable"), 3);
    assert_true(json_is_false(json_object_get(main, "fail_open")));
    assert_string_equal(string(spare, "role"), "enabled");
    assert_string_equal(string(host_of(json, 1, 1), "name"), "db@192.0.2.2");
    json_decref(json);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

static void a_failed_reload_is_told_until_it_is_mended(void **state)
{
    struct admin_rig *rig = *state;
    struct status_reload reload = {.wall_ns = INT64_C(1795330800) * INT64_C(1000000000),
                                   .message = "a.conf:3: [x] \"y\"\na.conf:4: bad"};
    json_t *json = view(rig);
    assert_true(json_is_null(json_object_get(json, "last_reload")));
    json_decref(json);

    rig->status.reload = &reload;
    json = view(rig);
    const json_t *last = json_object_get(json, "last_reload");
    assert_true(json_is_false(json_object_get(last, "ok")));
    assert_string_equal(json_string_value(json_object_get(last, "time")),
                        "2026-11-22T07:00:00Z");
    assert_string_equal(json_string_value(json_object_get(last, "message")), reload.message);
    json_decref(json);
    struct text text = {0};
    listing_text(&text, &rig->status);
    assert_non_null(strstr(text.at, "\nreload   failed 2026-11-22T07:00:00Z a.conf:3: [x] "
                                    "\\x22y\\x22\n"
                                    "reload   failed 2026-11-22T07:00:00Z a.conf:4: bad\n"));
    text_clear(&text);

    reload.is_ok = true;
    listing_text(&text, &rig->status);
    assert_null(strstr(text.at, "\nreload "));
    json = view(rig);
    assert_true(json_is_true(json_object_get(json_object_get(json, "last_reload"), "ok")));
    json_decref(json);
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(json_has_every_promised_key),
        RIG_TEST(json_shows_what_the_rows_hold),
        RIG_TEST(json_errors_leave_out_good_ends),
        RIG_TEST(json_carries_hostile_names_unharmed),
        RIG_TEST(json_tells_of_checks_and_changes),
        RIG_TEST(json_lists_standby_groups_with_their_roles),
        RIG_TEST(a_failed_reload_is_told_until_it_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Promises of conf/values: one parser with one printer per type. */
#include "conf/values.h"

#include <syslog.h>

#include "conf/directives.h"
#include "conf_fixture.h"

/* A parser with all it needs; stays until bench_fini. */
struct bench {
    struct arena arena;
    struct text why, printed;
    struct value_context context;
    struct model model;
    struct names groups;
};

static void bench_init(struct bench *bench, enum section_kind section, const char *key)
{
    *bench = (struct bench){0};
    bench->context = (struct value_context){.arena = &bench->arena,
                                            .folder = "/etc/gaidaros",
                                            .row = directives_find(section, key),
                                            .model = &bench->model,
                                            .groups = &bench->groups,
                                            .may_suggest = true,
                                            .why = &bench->why};
    assert_non_null(bench->context.row);
}

static void bench_fini(struct bench *bench)
{
    arena_fini(&bench->arena);
    text_fini(&bench->why);
    text_fini(&bench->printed);
    names_fini(&bench->groups);
}

static bool bench_parse(struct bench *bench, const char *value, void *field)
{
    text_clear(&bench->why);
    return bench->context.row->kind->parse(&bench->context, value, field);
}

static const char *bench_print(struct bench *bench, const void *field)
{
    text_clear(&bench->printed);
    bench->context.row->kind->print(&bench->printed, &bench->model, bench->context.row, field);
    return bench->printed.at != NULL ? bench->printed.at : "";
}

static int64_t parse_number(enum section_kind section, const char *key, const char *value)
{
    struct bench bench;
    int64_t number = -1;
    bench_init(&bench, section, key);
    if (!bench_parse(&bench, value, &number))
        fail_msg("%s: %s", value, bench.why.at);
    bench_fini(&bench);
    return number;
}

static void assert_number_refused(enum section_kind section, const char *key, const char *value,
                                  const char *says)
{
    struct bench bench;
    int64_t number = -77;
    bench_init(&bench, section, key);
    if (bench_parse(&bench, value, &number))
        fail_msg("%s: accepted", value);
    if (strstr(bench.why.at, says) == NULL)
        fail_msg("%s: %s", value, bench.why.at);
    assert_int_equal(number, -77);
    bench_fini(&bench);
}

static void numbers_are_whole_decimal_and_bounded(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "abc",  "10x",      "-1",    "+1",
                                      "1e3", "0x10", "010",      "1.5",   "NaN",
                                      "1 2", " ",    "\xc2\xb2", "1,000", "inf"};
    static const char *const large[] = {"2147483648", "4294967296", "9223372036854775808",
                                        "18446744073709551616",
                                        "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_number_refused(SECTION_SERVICE, "retries", bad[i], "is not a whole number");
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        assert_number_refused(SECTION_SERVICE, "retries", large[i],
                              "out of bounds: must be 0 to 15");
    assert_int_equal(parse_number(SECTION_SERVICE, "retries", "0"), 0);
    assert_int_equal(parse_number(SECTION_SERVICE, "retries", "\"15\""), 15);
}

static void workers_are_auto_or_up_to_256(void **state)
{
    (void)state;
    assert_int_equal(parse_number(SECTION_GLOBAL, "workers", "auto"), 0);
    assert_int_equal(parse_number(SECTION_GLOBAL, "workers", "1"), 1);
    assert_int_equal(parse_number(SECTION_GLOBAL, "workers", "256"), 256);
    assert_number_refused(SECTION_GLOBAL, "workers", "0", "must be auto or 1 to 256");
    assert_number_refused(SECTION_GLOBAL, "workers", "257", "must be auto or 1 to 256");
    assert_number_refused(SECTION_GLOBAL, "workers", "100000", "must be auto or 1 to 256");
    assert_number_refused(SECTION_GLOBAL, "workers", "-1", "is not auto or a whole number");
    assert_number_refused(SECTION_GLOBAL, "workers", "AUTO", "is not auto or a whole number");
}

static void durations_are_milliseconds_and_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_number(SECTION_SERVICE, "idle_timeout", "250ms"), 250);
    assert_int_equal(parse_number(SECTION_SERVICE, "idle_timeout", "30"), 30000);
    assert_int_equal(parse_number(SECTION_SERVICE, "idle_timeout", "2h"), 7200000);
    assert_number_refused(SECTION_SERVICE, "idle_timeout", "0", "must be 100ms to 365d");
    assert_number_refused(SECTION_SERVICE, "idle_timeout", "366d", "must be 100ms to 365d");
    assert_number_refused(SECTION_SERVICE, "idle_timeout", "5 s", "is not a duration");
    assert_number_refused(SECTION_SERVICE, "idle_timeout", "5S", "is not a duration");
}

static void spin_takes_microseconds(void **state)
{
    (void)state;
    static const char *const texts[] = {"0", "50us", "1ms", "1500us"};
    static const int64_t ns[] = {0, 50000, 1000000, 1500000};
    struct bench bench;
    bench_init(&bench, SECTION_GLOBAL, "spin");
    for (size_t i = 0; i < 4; i++) {
        int64_t number = -1;
        assert_true(bench_parse(&bench, texts[i], &number));
        assert_int_equal(number, ns[i]);
        assert_string_equal(bench_print(&bench, &number), texts[i]);
    }
    bench_fini(&bench);
    assert_number_refused(SECTION_GLOBAL, "spin", "us", "is not a duration");
    assert_number_refused(SECTION_GLOBAL, "spin", "101ms", "must be 0 to 100ms");
    assert_number_refused(SECTION_GLOBAL, "spin", "9223372036854775807us", "out of bounds");
}

static void bools_are_the_eight_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    static const char *const bad[] = {"", "YES", "y", "2", "enabled"};
    struct bench bench;
    bool truth;
    bench_init(&bench, SECTION_SERVICE, "cork");
    for (size_t i = 0; i < 4; i++) {
        assert_true(bench_parse(&bench, yes[i], &truth) && truth);
        assert_string_equal(bench_print(&bench, &truth), "yes");
        assert_true(bench_parse(&bench, no[i], &truth) && !truth);
        assert_string_equal(bench_print(&bench, &truth), "no");
    }
    for (size_t i = 0; i < 5; i++)
        assert_false(bench_parse(&bench, bad[i], &truth));
    bench_fini(&bench);
}

static void lifetime_takes_a_spread(void **state)
{
    (void)state;
    struct bench bench;
    struct model_service service = {0};
    bench_init(&bench, SECTION_SERVICE, "lifetime");
    assert_true(bench_parse(&bench, "1h 10%", &service.lifetime_ms));
    assert_int_equal(service.lifetime_ms, 3600000);
    assert_int_equal(service.lifetime_spread, 10);
    assert_string_equal(bench_print(&bench, &service.lifetime_ms), "1h 10%");
    assert_true(bench_parse(&bench, "5m", &service.lifetime_ms));
    assert_int_equal(service.lifetime_spread, 0);
    assert_string_equal(bench_print(&bench, &service.lifetime_ms), "5m");
    assert_false(bench_parse(&bench, "1h 101%", &service.lifetime_ms));
    assert_false(bench_parse(&bench, "1h 10", &service.lifetime_ms));
    assert_false(bench_parse(&bench, "1h 10% 5", &service.lifetime_ms));
    assert_false(bench_parse(&bench, "10%", &service.lifetime_ms));
    bench_fini(&bench);
}

static void words_are_exact_and_the_nearest_is_named(void **state)
{
    (void)state;
    struct bench bench;
    enum scheduler_kind kind = SCHEDULER_ROUNDROBIN;
    bench_init(&bench, SECTION_GROUP, "scheduler");
    assert_true(bench_parse(&bench, "leastconn", &kind));
    assert_int_equal(kind, SCHEDULER_LEASTCONN);
    assert_string_equal(bench_print(&bench, &kind), "leastconn");
    assert_false(bench_parse(&bench, "LeastConn", &kind));
    assert_non_null(strstr(bench.why.at, "did you mean leastconn?"));
    assert_true(bench_parse(&bench, "maglev", &kind));
    assert_int_equal(kind, SCHEDULER_MAGLEV);
    bench_fini(&bench);
    enum protocol protocol = PROTOCOL_TCP;
    bench_init(&bench, SECTION_SERVICE, "protocol");
    assert_false(bench_parse(&bench, "udp", &protocol));
    assert_string_equal(bench.why.at, "udp is not yet supported");
    bench_fini(&bench);
}

static void log_targets_are_words_or_paths(void **state)
{
    (void)state;
    struct bench bench;
    struct log_target target;
    bench_init(&bench, SECTION_GLOBAL, "log");
    assert_true(bench_parse(&bench, "stderr", &target));
    assert_int_equal(target.kind, LOGS_STDERR);
    assert_true(bench_parse(&bench, "syslog", &target));
    assert_int_equal(target.facility, LOG_DAEMON);
    assert_string_equal(bench_print(&bench, &target), "syslog");
    assert_true(bench_parse(&bench, "syslog:local3", &target));
    assert_int_equal(target.facility, LOG_LOCAL3);
    assert_string_equal(bench_print(&bench, &target), "syslog:local3");
    assert_true(bench_parse(&bench, "log/x.log", &target));
    assert_int_equal(target.kind, LOGS_FILE);
    assert_string_equal(bench_print(&bench, &target), "/etc/gaidaros/log/x.log");
    assert_false(bench_parse(&bench, "syslog:mail2", &target));
    assert_false(bench_parse(&bench, "sdterr", &target));
    assert_non_null(strstr(bench.why.at, "did you mean stderr?"));
    assert_false(bench_parse(&bench, "off", &target));
    assert_false(bench_parse(&bench, "/var/log/", &target));
    assert_non_null(strstr(bench.why.at, "names a folder"));
    bench_fini(&bench);
    bench_init(&bench, SECTION_GLOBAL, "access_log");
    assert_true(bench_parse(&bench, "off", &target));
    assert_int_equal(target.kind, LOGS_OFF);
    assert_false(bench_parse(&bench, "stderr", &target));
    bench_fini(&bench);
}

static void paths_count_from_the_folder(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(value_resolve_path(&arena, "/etc/g", "a/b"), "/etc/g/a/b");
    assert_string_equal(value_resolve_path(&arena, "/etc/g", "/a"), "/a");
    assert_string_equal(value_resolve_path(&arena, "/", "a"), "/a");
    assert_string_equal(value_resolve_path(&arena, "/etc", ""), "");
    arena_fini(&arena);
}

static void socket_paths_fit_a_socket_address(void **state)
{
    (void)state;
    struct bench bench;
    const char *path;
    char text[200];
    bench_init(&bench, SECTION_GLOBAL, "control");
    snprintf(text, sizeof text, "/%0106d", 0);
    assert_true(bench_parse(&bench, text, &path));
    snprintf(text, sizeof text, "/%0107d", 0);
    assert_false(bench_parse(&bench, text, &path));
    assert_non_null(strstr(bench.why.at, "longer than 107"));
    bench_fini(&bench);
}

static void texts_have_bounds_and_no_control_bytes(void **state)
{
    (void)state;
    struct bench bench;
    const char *text;
    char title[300];
    bench_init(&bench, SECTION_ADMIN, "title");
    snprintf(title, sizeof title, "%0200d", 0);
    assert_true(bench_parse(&bench, title, &text));
    snprintf(title, sizeof title, "%0201d", 0);
    assert_false(bench_parse(&bench, title, &text));
    assert_false(bench_parse(&bench, "\"a\\nb\"", &text));
    assert_true(bench_parse(&bench, "\"<b>; \\\"x\\\"\"", &text));
    assert_string_equal(text, "<b>; \"x\"");
    assert_string_equal(bench_print(&bench, &text), "\"<b>; \\\"x\\\"\"");
    bench_fini(&bench);
}

static void names_have_1_to_49_bytes_without_blanks(void **state)
{
    (void)state;
    char name[60];
    snprintf(name, sizeof name, "%049d", 0);
    assert_true(value_is_name(name));
    snprintf(name, sizeof name, "%050d", 0);
    assert_false(value_is_name(name));
    assert_false(value_is_name(""));
    assert_false(value_is_name("a b"));
    assert_false(value_is_name("a\tb"));
    assert_true(value_is_name("<script>alert(1)</script>"));
}

static void groups_are_found_or_the_nearest_named(void **state)
{
    (void)state;
    struct bench bench;
    size_t index = 9, existing;
    struct model_group groups[] = {{.name = "main"}, {.name = "spare"}};
    bench_init(&bench, SECTION_SERVICE, "group");
    bench.model.groups = groups;
    bench.model.n_groups = 2;
    names_put(&bench.groups, 0, "main", 4, 0, &existing);
    names_put(&bench.groups, 0, "spare", 5, 1, &existing);
    assert_true(bench_parse(&bench, "spare", &index));
    assert_int_equal(index, 1);
    assert_string_equal(bench_print(&bench, &index), "spare");
    assert_false(bench_parse(&bench, "sprae", &index));
    assert_string_equal(bench.why.at, "there is no [group sprae]: did you mean spare?");
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_whole_decimal_and_bounded),
        cmocka_unit_test(workers_are_auto_or_up_to_256),
        cmocka_unit_test(durations_are_milliseconds_and_bounded),
        cmocka_unit_test(spin_takes_microseconds),
        cmocka_unit_test(bools_are_the_eight_words),
        cmocka_unit_test(lifetime_takes_a_spread),
        cmocka_unit_test(words_are_exact_and_the_nearest_is_named),
        cmocka_unit_test(log_targets_are_words_or_paths),
        cmocka_unit_test(paths_count_from_the_folder),
        cmocka_unit_test(socket_paths_fit_a_socket_address),
        cmocka_unit_test(texts_have_bounds_and_no_control_bytes),
        cmocka_unit_test(names_have_1_to_49_bytes_without_blanks),
        cmocka_unit_test(groups_are_found_or_the_nearest_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

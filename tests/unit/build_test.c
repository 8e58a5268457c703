/* SPDX-License-Identifier: MIT */
/* Promises of conf/build: from files and command line to a model, every problem named. */
#include "conf/build.h"

#include "base/clock.h"
#include "conf_fixture.h"

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* Loads main.conf of the folder. */
static struct model *load_main(struct problems *problems)
{
    char path[256];
    return load_path(folder_path(path, folder, "main.conf"), problems);
}

/* main.conf must be refused with so many errors, one of which is this line behind its name. */
static void assert_main_refused(size_t n_errors, const char *line)
{
    struct problems problems = {0};
    char whole[512];
    struct model *model = load_main(&problems);
    assert_null(model);
    snprintf(whole, sizeof whole, "%s/%s", folder, line);
    if (problems.n_errors != n_errors || strstr(errors_of(&problems), whole) == NULL)
        fail_msg("not %zu with %s: %s", n_errors, whole, errors_of(&problems));
    problems_fini(&problems);
}

static void builds_what_the_file_says(void **state)
{
    (void)state;
    file_make(folder, "main.conf",
              "[global]\nworkers = 3\npidfile = run/x.pid\n[service web]\n"
              "listen = 127.0.0.1:8080\nlisten = 127.0.0.1:8081\ngroup = b\nidle_timeout = 7s\n"
              "[group a]\nhost = x 10.0.0.1:80\nhost = y 10.0.0.2:80\n[group b]\n"
              "host = z 10.0.0.3:80\nscheduler = first\n"
              "[service two]\nlisten = 127.0.0.1:8082\ngroup = a\n");
    char path[256];
    assert_int_equal(mkdir(folder_path(path, folder, "run"), 0755), 0);
    struct problems problems = {0};
    struct model *model = load_main(&problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    assert_string_equal(model->path, folder_path(path, folder, "main.conf"));
    assert_string_equal(model->folder, folder);
    assert_int_equal(model->global.workers, 3);
    assert_string_equal(model->global.pidfile, folder_path(path, folder, "run/x.pid"));
    assert_true(model->global.has_own_pidfile);
    assert_string_equal(model->global.control, "/run/gaidaros/control.sock");
    assert_false(model->global.has_own_control);
    assert_int_equal(model->n_services, 2);
    assert_int_equal(model->n_groups, 2);
    assert_int_equal(model->n_hosts, 3);
    assert_int_equal(model->n_listens, 3);
    assert_int_equal(model->services[0].group, 1);
    assert_int_equal(model->services[1].group, 0);
    assert_int_equal(model->services[1].first_listen, 2);
    assert_int_equal(model->groups[1].first_host, 2);
    assert_int_equal(model->groups[1].scheduler, SCHEDULER_FIRST);
    assert_int_equal(model->services[0].idle_timeout_ms, 7000);
    assert_int_equal(model->services[1].idle_timeout_ms, 300000);
    assert_int_equal(model->services[0].listens[1].origin.line, 6);
    assert_int_equal(model->groups[1].origin.line, 12);
    conf_free(model);
    problems_fini(&problems);
}

static void defaults_are_those_of_the_interface(void **state)
{
    (void)state;
    struct model *model = load_good(BASE_LINES);
    const struct model_global *global = &model->global;
    const struct model_service *service = &model->services[0];
    const struct model_group *group = &model->groups[0];
    assert_int_equal(global->workers, 0);
    assert_string_equal(global->user, "");
    assert_int_equal(global->log.kind, LOGS_STDERR);
    assert_int_equal(global->access_log.kind, LOGS_OFF);
    assert_int_equal(global->stuck_timeout_ms, 5000);
    assert_int_equal(global->adopt_timeout_ms, 500);
    assert_int_equal(global->drain_timeout_ms, 10000);
    assert_int_equal(global->poller, POLLER_AUTO);
    assert_int_equal(global->stick_entries, 100000);
    assert_int_equal(model->admin.refresh_ms, 5000);
    assert_string_equal(model->admin.title, "gaidaros");
    assert_int_equal(service->connect_timeout_ms, 3000);
    assert_int_equal(service->half_close_timeout_ms, 30000);
    assert_int_equal(service->retries, 3);
    assert_true(service->nodelay && service->half_close && service->keepalive);
    assert_false(service->cork);
    assert_int_equal(group->scheduler, SCHEDULER_ROUNDROBIN);
    assert_int_equal(group->queue_timeout_ms, 10000);
    assert_int_equal(group->eject_failures, 5);
    assert_int_equal(group->eject_time_ms, 10000);
    assert_int_equal(group->eject_most, 50);
    assert_int_equal(group->check.kind, CHECK_TCP);
    assert_int_equal(group->check_interval_ms, 2000);
    assert_int_equal(group->check_timeout_ms, 1000);
    assert_int_equal(group->rise, 2);
    assert_int_equal(group->fall, 3);
    assert_int_equal(group->fail_open, 0);
    assert_int_equal(group->on_down, ON_DOWN_KEEP);
    assert_int_equal(group->sticky_ms, 0);
    assert_int_equal(group->pool, 0);
    assert_string_equal(group->tls_ca.path, "");
    assert_string_equal(group->tls_name, "");
    assert_int_equal(global->source_entries, 100000);
    assert_true(service->failover);
    assert_int_equal(service->max_connections, 0);
    assert_int_equal(service->max_connections_per_source, 0);
    assert_int_equal(service->connection_rate_per_source, 0);
    assert_int_equal(service->connection_rate_burst, 0);
    conf_free(model);
}

static void text_alone_has_no_run_time_files(void **state)
{
    (void)state;
    struct model *model = load_good(BASE_LINES);
    assert_string_equal(model->path, "command line");
    assert_string_equal(model->global.pidfile, "");
    assert_string_equal(model->global.control, "");
    conf_free(model);
    assert_refused(
        "[service web]\nlisten = x\ngroup = main\n[group main]\nhost = a 10.0.0.1:80\n",
        "command line: [service web] listen: ");
}

static void command_line_stands_over_the_file(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "main.conf", "[global]\nworkers = 3\ndaemon = yes\n" BASE_LINES);
    const struct conf_override overrides[] = {{"global", "workers", "7"},
                                              {"global", "log_level", "debug"},
                                              {"admin", "title", "a ;b"}};
    const struct conf_request request = {.path = folder_path(path, folder, "main.conf"),
                                         .overrides = overrides,
                                         .n_overrides = 3};
    struct problems problems = {0};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    assert_int_equal(model->global.workers, 7);
    assert_int_equal(model->global.log_level, 3);
    assert_true(model->global.daemon);
    assert_string_equal(model->admin.title, "a ;b");
    conf_free(model);
    problems_fini(&problems);
}

static void command_line_stands_over_text_too(void **state)
{
    (void)state;
    const struct conf_override overrides[] = {{"global", "workers", "7"},
                                              {"admin", "listen", "127.0.0.1:7001"},
                                              {"admin", "listen", "127.0.0.1:7002"}};
    const struct conf_request request = {
        .text = "[global]\nworkers = 3\n" BASE_LINES, .overrides = overrides, .n_overrides = 3};
    struct problems problems = {0};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    assert_int_equal(model->global.workers, 7);
    assert_int_equal(model->admin.n_listens, 2);
    conf_free(model);
}

static void bad_command_line_is_named_so(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "main.conf", "[global]\nworkers = 3x\n" BASE_LINES);
    const struct conf_override overrides[] = {{"global", "workers", "none"}};
    const struct conf_request request = {.path = folder_path(path, folder, "main.conf"),
                                         .overrides = overrides,
                                         .n_overrides = 1};
    struct problems problems = {0};
    assert_null(conf_load(&request, &problems));
    /* The file's own value is looked at all the same. */
    assert_int_equal(problems.n_errors, 2);
    assert_non_null(strstr(errors_of(&problems), "main.conf:2: [global] workers: \"3x\""));
    assert_non_null(strstr(errors_of(&problems), "command line: [global] workers: \"none\""));
    problems_fini(&problems);
}

static void all_errors_are_shown_at_once(void **state)
{
    (void)state;
    file_make(folder, "main.conf",
              "[global]\nworkers = 300\nworkres = 3\nlog_level = loud\n[serivce x]\nk = v\n"
              "[service web]\nlisten = 127.0.0.1:8080\ngroup = mian\n"
              "[group main]\nhost = a 10.0.0.1:99999\n");
    assert_main_refused(
        6, "main.conf:2: [global] workers: 300 is out of bounds: must be auto or 1 to 256\n");
    assert_main_refused(6,
                        "main.conf:3: [global] workres: unknown key: did you mean workers?\n");
    assert_main_refused(6, "main.conf:4: [global] log_level: \"loud\" must be one of");
    assert_main_refused(6,
                        "main.conf:5: [serivce x] unknown section: did you mean [service]?\n");
    assert_main_refused(
        6, "main.conf:9: [service web] group: there is no [group mian]: did you mean main?\n");
    assert_main_refused(6, "main.conf:11: [group main] host: \"10.0.0.1:99999\": port must be");
}

static void what_repeats_is_reported_at_its_second_line(void **state)
{
    (void)state;
    file_make(folder, "main.conf", BASE_LINES "[global]\nworkers = 1\nspin = 0\nworkers = 1\n");
    assert_main_refused(1, "main.conf:9: [global] workers: given twice, first at ");
    file_make(folder, "main.conf", BASE_LINES "[group main]\nhost = x 10.0.0.1:80\n");
    assert_main_refused(
        1, "main.conf:6: [group main] a second section of this name, the first is at ");
    file_make(folder, "main.conf", BASE_LINES "[global]\n[admin]\n[global]\n");
    assert_main_refused(1, "main.conf:8: [global] a second section of this name");
    file_make(folder, "main.conf", BASE_LINES "host = app1 10.0.0.2:80\n");
    assert_main_refused(
        1,
        "main.conf:6: [group main] host: a second host app1 in this group, the first is at ");
}

static void headings_take_the_right_names(void **state)
{
    (void)state;
    assert_refused(BASE_LINES "[group]\n", "[group] needs a name");
    assert_refused(BASE_LINES "[global x]\n", "[global] takes no name");
    assert_refused(BASE_LINES "[group a b]\n", "one word");
    assert_refused(BASE_LINES "[Group a]\n", "did you mean [group]?");
    assert_refused(BASE_LINES "[global]\nidle_timeout = 5s\n", "it belongs in [service]");
    assert_refused(BASE_LINES "[global]\nWorkers = 5\n", "did you mean workers?");
}

static void a_key_needs_a_value_unless_empty_means_something(void **state)
{
    (void)state;
    assert_global_refused("workers =", "[global] workers: needs a value");
    assert_global_refused("workers = \"\"", "[global] workers: needs a value");
    assert_global_refused("workers = ; comment", "[global] workers: needs a value");
    struct model *model = load_good(BASE_LINES "[global]\nuser =\npidfile =\ncontrol =\n");
    assert_string_equal(model->global.pidfile, "");
    assert_false(model->global.has_own_pidfile);
    conf_free(model);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    char path[256];
    assert_main_refused(1, "main.conf: cannot be opened: No such file or directory\n");
    file_make(folder, "main.conf", "");
    assert_main_refused(1, "main.conf: there is nothing in it\n");
    file_make(folder, "main.conf", BASE_LINES);
    assert_int_equal(chmod(folder_path(path, folder, "main.conf"), 0666), 0);
    assert_main_refused(1, "main.conf: may be written by others than its owner (mode 0666)");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_main_refused(1, "main.conf: is a folder, not a regular file\n");
}

static void without_a_service_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_refused("[global]\nworkers = 1\n", "there is no [service] section");
}

/* ---- include ---- */

static void includes_add_their_sections(void **state)
{
    (void)state;
    char path[256];
    mkdir(folder_path(path, folder, "conf.d"), 0755);
    file_make(folder, "main.conf",
              "[global]\ninclude = conf.d/*.conf\ninclude = more.conf\n[service web]\n"
              "listen = 127.0.0.1:8080\ngroup = far\n");
    file_make(folder, "conf.d/1.conf", "[group far]\nhost = a 10.0.0.1:80\n");
    file_make(folder, "conf.d/2.conf", "[service two]\nlisten = 127.0.0.1:8081\ngroup = far\n");
    file_make(folder, "more.conf", "[admin]\ntitle = x\n");
    struct problems problems = {0};
    struct model *model = load_main(&problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    assert_int_equal(model->n_services, 2);
    assert_string_equal(model->services[0].name, "web");
    assert_string_equal(model->services[1].name, "two");
    assert_string_equal(model->admin.title, "x");
    assert_string_equal(model->groups[0].origin.file,
                        folder_path(path, folder, "conf.d/1.conf"));
    conf_free(model);
    problems_fini(&problems);
}

static void errors_of_included_files_carry_their_names(void **state)
{
    (void)state;
    file_make(folder, "main.conf", "[global]\nworkers = x\ninclude = a.conf\n" BASE_LINES);
    file_make(folder, "a.conf",
              "[admin]\nrefresh = soon\n[group main]\nhost = b 10.0.0.1:80\n");
    assert_main_refused(3, "main.conf:2: [global] workers: ");
    assert_main_refused(3, "a.conf:2: [admin] refresh: ");
    assert_main_refused(3, "a.conf:3: [group main] a second section of this name");
}

static void include_loops_are_refused(void **state)
{
    (void)state;
    file_make(folder, "main.conf", "[global]\ninclude = *.conf\n" BASE_LINES);
    assert_main_refused(1, "main.conf:2: [global] include: ");
    file_make(folder, "main.conf", "[global]\ninclude = a.conf\ninclude = a.c*\n" BASE_LINES);
    file_make(folder, "a.conf", "[admin]\ntitle = x\n");
    assert_main_refused(1, "main.conf:3: [global] include: ");
    file_make(folder, "a.conf", "[global]\ninclude = b.conf\n");
    file_make(folder, "main.conf", "[global]\ninclude = a.conf\n" BASE_LINES);
    assert_main_refused(1, "a.conf:1: [global] not allowed in an included file\n");
}

static void bad_includes_are_refused_where_they_are_named(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "main.conf", BASE_LINES "[global]\ninclude = a.conf\n");
    assert_main_refused(1, "main.conf:7: [global] include: a.conf does not exist\n");
    mkfifo(folder_path(path, folder, "a.conf"), 0600);
    assert_main_refused(1, "main.conf:7: [global] include: ");
    unlink(path);
    file_make(folder, "a.conf", "");
    chmod(path, 0620);
    assert_main_refused(1, "main.conf:7: [global] include: ");
    chmod(path, 0644);
    struct problems problems = {0};
    struct model *model = load_main(&problems);
    assert_non_null(model);
    conf_free(model);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_main_refused(1, "main.conf:7: [global] include: ");
    }
    file_make(folder, "main.conf", BASE_LINES "[global]\ninclude = /etc/passwd\n");
    assert_main_refused(1, "main.conf:7: [global] include: /etc/passwd does not lie below ");
    file_make(folder, "main.conf", BASE_LINES "[global]\ninclude =\n");
    assert_main_refused(1, "main.conf:7: [global] include: needs a value\n");
}

/* ---- scale, cuts ---- */

#if defined(__SANITIZE_ADDRESS__)
#define SLOWNESS 8 /* of the instrumented build; the promise is about the release */
#else
#define SLOWNESS 1
#endif

static void assert_quick(const struct text *text, bool is_good)
{
    struct problems problems = {0};
    uint64_t start_ns = clock_now_ns();
    struct model *model = load_text(text->at, &problems);
    uint64_t taken_ns = clock_now_ns() - start_ns;
    assert_int_equal(model != NULL, is_good);
    assert_in_range(taken_ns, 0, SLOWNESS * 2 * CLOCK_NS_PER_S);
    conf_free(model);
    problems_fini(&problems);
}

static void a_hundred_thousand_take_two_seconds(void **state)
{
    (void)state;
    struct text hosts = {0}, sections = {0}, unknown = {0};
    text_add(&hosts, BASE_LINES);
    text_add(&unknown, BASE_LINES);
    for (unsigned i = 0; i < 100000; i++) {
        if (i < 65535)
            text_printf(&hosts, "host = h%u 10.%u.%u.%u:80\n", i, i >> 16, i >> 8 & 255,
                        i & 255);
        text_printf(&sections, "[service s%u]\nlisten = 127.%u.%u.%u:80\ngroup = g%u\n", i,
                    i >> 16, i >> 8 & 255, i & 255, i / 2);
        text_printf(&unknown, "[srevice s%u]\nhsot = a\n", i);
    }
    assert_quick(&hosts, true);
    assert_quick(&sections, false);
    assert_quick(&unknown, false);
    text_fini(&hosts);
    text_fini(&sections);
    text_fini(&unknown);
}

static void survives_a_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] =
        "[global]\nworkers = 2\nlog = syslog:local3\nspin = 50us\n[admin]\n"
        "listen = 127.0.0.1:7001\ntitle = \"a ; b\"\n[service web]\nlisten = *:80 backlog=9\n"
        "group = main\nlifetime = 1h 10%\n[group main]\nhost = a 10.0.0.1:80 weight=3\n";
    for (size_t length = 0; length < sizeof text; length++) {
        char *copy = strndup(text, length);
        struct problems problems = {0};
        struct model *model = load_text(copy, &problems);
        assert_true((model == NULL) == (problems.n_errors > 0));
        if (length == sizeof text - 1)
            assert_non_null(model);
        conf_free(model);
        problems_fini(&problems);
        free(copy);
    }
}

static void problems_show_no_control_bytes(void **state)
{
    (void)state;
    struct problems problems = {0};
    problems_add(&problems, &(struct origin){"f", 3}, "s", "k", "a%sb", "\x1b[31m\n");
    problems_warn(&problems, NULL, NULL, NULL, "w");
    assert_string_equal(problems.errors.at, "f:3: [s] k: a\\x1b[31m\\x0ab\n");
    assert_string_equal(problems.warnings.at, "w\n");
    problems_fini(&problems);
    assert_int_equal(problems.n_errors, 0);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(builds_what_the_file_says),
        cmocka_unit_test(defaults_are_those_of_the_interface),
        cmocka_unit_test(text_alone_has_no_run_time_files),
        WITH_FOLDER(command_line_stands_over_the_file),
        cmocka_unit_test(command_line_stands_over_text_too),
        WITH_FOLDER(bad_command_line_is_named_so),
        WITH_FOLDER(all_errors_are_shown_at_once),
        WITH_FOLDER(what_repeats_is_reported_at_its_second_line),
        cmocka_unit_test(headings_take_the_right_names),
        cmocka_unit_test(a_key_needs_a_value_unless_empty_means_something),
        WITH_FOLDER(a_file_that_cannot_be_read_says_why),
        cmocka_unit_test(without_a_service_there_is_nothing_to_do),
        WITH_FOLDER(includes_add_their_sections),
        WITH_FOLDER(errors_of_included_files_carry_their_names),
        WITH_FOLDER(include_loops_are_refused),
        WITH_FOLDER(bad_includes_are_refused_where_they_are_named),
        cmocka_unit_test(a_hundred_thousand_take_two_seconds),
        cmocka_unit_test(survives_a_cut_anywhere),
        cmocka_unit_test(problems_show_no_control_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

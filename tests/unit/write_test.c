/* SPDX-License-Identifier: MIT */
/* Promises of conf/write: what is written reads back to the same. */
#include "conf/write.h"

#include "conf_fixture.h"

/* Writes the model, loads that as a file, writes again: both texts must agree. */
static void assert_round_trip(const char *text, bool is_file)
{
    char folder[FOLDER_BYTES], path[256];
    struct problems problems = {0};
    struct text first = {0}, second = {0};
    folder_make(folder);
    file_make(folder, "a.conf", text);
    struct model *model = is_file ? load_path(folder_path(path, folder, "a.conf"), &problems)
                                  : load_text(text, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    conf_write(&first, model);
    file_make(folder, "b.conf", first.at);
    struct model *again = load_path(folder_path(path, folder, "b.conf"), &problems);
    if (again == NULL)
        fail_msg("%s\n%s", errors_of(&problems), first.at);
    conf_write(&second, again);
    assert_string_equal(first.at, second.at);
    assert_int_equal(model->n_hosts, again->n_hosts);
    assert_int_equal(model->n_listens, again->n_listens);
    assert_int_equal(model->global.has_own_pidfile, again->global.has_own_pidfile);
    assert_int_equal(model->global.has_own_control, again->global.has_own_control);
    for (size_t i = 0; i < model->groups[0].n_hosts; i++) {
        const struct model_host *host = &model->groups[0].hosts[i];
        const struct model_host *other = &again->groups[0].hosts[i];
        assert_string_equal(host->name, other->name);
        assert_string_equal(host->line, other->line);
        assert_true(addr_is_equal(&host->address, &other->address));
        assert_int_equal(host->weight, other->weight);
        assert_int_equal(host->max_connections, other->max_connections);
        assert_int_equal(host->state, other->state);
    }
    conf_free(model);
    conf_free(again);
    text_fini(&first);
    text_fini(&second);
    problems_fini(&problems);
    folder_remove(folder);
}

static const char everything[] =
    "[global]\nworkers = 4\ndaemon = yes\npidfile = p.pid\ncontrol = c.sock\n"
    "log = syslog:local7\nlog_level = debug\naccess_log = \"acc ; x.log\"\naccess_format = "
    "json\n"
    "max_connections = 10\nstuck_timeout = 90s\nadopt_timeout = 1500ms\ndrain_timeout = 0\n"
    "poller = poll\nspin = 50us\nresolver = 192.0.2.53\nresolver = [2001:db8::53]:5353\n"
    "stick_entries = 5\nsource_entries = 7\n"
    "[admin]\nlisten = 127.0.0.1:7001\nlisten = *:7002 insecure\nrefresh = 61\n"
    "title = \" <b> ; \\\"x\\\" \\\\ \\x24{HOME}\"\nurl = http://x/#a\n"
    "[service web]\nlisten = *:8080 backlog=1 interface=lo\nlisten = [::1]:8081\n"
    "group = main\nconnect_timeout = 1\nidle_timeout = 3600\nhalf_close_timeout = 1500ms\n"
    "lifetime = 36h 7%\nuser_timeout = 90\nretries = 0\nnodelay = off\ncork = 1\n"
    "half_close = false\nkeepalive = no\ncongestion = reno\n"
    "[group main]\nscheduler = leastconn\nhost = a 10.0.0.1:80\n"
    "host = b   [2001:db8::1]:80 weight=256 max_connections=7 state=down\n"
    "host = \"c\\x24{x}\" 10.0.0.3:80 weight=2\n"
    "queue_timeout = 0\neject_failures = 0\neject_time = 1d\neject_most = 0%\n"
    "congestion = reno\n"
    "sticky = source 90m\npool = 4\ncheck = http HEAD /a;b?c=${GAIDAROS_B:-1} 200-204\n"
    "check_interval = 500ms\ncheck_timeout = 20ms\nrise = 1\nfall = 9\nfail_open = 20%\n"
    "on_down = close\nbind = 127.0.0.9\nbind = ::1\n"
    "host = d Name.Example:80 slow_start=10s check=127.0.0.1:99\n"
    "host = e srv:_http._tcp.name.example weight=2\n"
    "[group spare]\nhost = a 10.0.0.1:80\nscheduler = maglev\n"
    "check = send \"a ; \\x00\\\"\"   expect \"b\" or \"c\"\n"
    "[group last]\nhost = a 10.0.0.1:80\nscheduler = source\ncheck = tls\ntls_name = "
    "x.example\n"
    "bind = client\n"
    "[service two]\nlisten = 127.0.0.1:9\ngroup = main\nstandby = spare last\nfailover = no\n"
    "allow = 10.0.0.0/8 ::1\nallow = 127.0.0.1\ndeny = 10.1.0.0/16\nmax_connections = 3\n"
    "max_connections_per_source = 2\nconnection_rate_per_source = 3000/m\n"
    "when_no_host = hold 90\nshare_sources = 24 56\n"
    "[service three]\nlisten = 127.0.0.1:10\ngroup = spare\nwhen_no_host = sorry "
    "\"/etc/passwd\"\n";

/* A default place may be skipped, one that is named may not: the text keeps them apart. */
static void places_stay_named_or_default(void **state)
{
    (void)state;
    struct text text = {0};
    struct problems problems = {0};
    assert_round_trip(BASE_LINES, true);
    assert_round_trip(BASE_LINES, false);
    assert_round_trip(BASE_LINES "[global]\npidfile =\ncontrol =\n", true);
    if (geteuid() == 0)
        assert_round_trip(BASE_LINES "[global]\npidfile = /run/gaidaros/gaidaros.pid\n"
                                     "control = /run/gaidaros/control.sock\n",
                          true);
    char folder[FOLDER_BYTES], path[256];
    folder_make(folder);
    file_make(folder, "a.conf", BASE_LINES);
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    assert_non_null(model);
    conf_write(&text, model);
    assert_non_null(strstr(text.at, "\n#pidfile = /run/gaidaros/gaidaros.pid\n"));
    assert_false(model->global.has_own_pidfile);
    conf_free(model);
    text_fini(&text);
    problems_fini(&problems);
    folder_remove(folder);
}

static void everything_reads_back_identically(void **state)
{
    (void)state;
    assert_round_trip(everything, true);
    assert_round_trip(everything, false);
}

static void defaults_read_back_identically(void **state)
{
    (void)state;
    assert_round_trip(BASE_LINES, true);
    assert_round_trip(BASE_LINES, false);
}

static void what_the_environment_held_is_written_out(void **state)
{
    (void)state;
    setenv("GAIDAROS_A", "t ; \"${HOME}\"", 1);
    assert_round_trip(BASE_LINES "[admin]\ntitle = \"${GAIDAROS_A}\"\n", true);
    setenv("GAIDAROS_A", "weight=3 state=drain", 1);
    struct model *model = load_good(BASE_LINES "host = x 10.0.0.2:80 ${GAIDAROS_A}\n");
    struct text written = {0};
    conf_write(&written, model);
    assert_non_null(strstr(written.at, "\nhost = x 10.0.0.2:80 weight=3 state=drain\n"));
    text_fini(&written);
    conf_free(model);
}

static void writes_values_as_they_count(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256], expected[512];
    struct problems problems = {0};
    struct text written = {0};
    folder_make(folder);
    file_make(folder, "a.conf", everything);
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    conf_write(&written, model);
    snprintf(expected, sizeof expected, "\npidfile = %s/p.pid\n", folder);
    assert_non_null(strstr(written.at, expected));
    assert_non_null(strstr(written.at, "\nrefresh = 61s\n"));
    assert_non_null(strstr(written.at, "\nlifetime = 36h 7%\n"));
    assert_non_null(strstr(written.at, "\nidle_timeout = 1h\n"));
    assert_non_null(strstr(written.at, "\ntitle = \" <b> ; \\\"x\\\" \\\\ \\x24{HOME}\"\n"));
    assert_non_null(strstr(written.at, "\nlisten = *:7002 insecure\n"));
    assert_non_null(strstr(written.at, "\nresolver = 192.0.2.53:53\n"));
    assert_non_null(strstr(written.at, "\nresolver = [2001:db8::53]:5353\n"));
    assert_non_null(strstr(written.at, "\nstandby = spare last\n"));
    assert_non_null(strstr(written.at, "\nallow = 10.0.0.0/8\nallow = ::1\n"));
    assert_non_null(strstr(written.at, "\nconnection_rate_per_source = 3000/m\n"));
    assert_non_null(strstr(written.at, "\nwhen_no_host = hold 90s\n"));
    assert_non_null(strstr(written.at, "\nwhen_no_host = sorry /etc/passwd\n"));
    assert_non_null(strstr(written.at, "\nshare_sources = 24 56\n"));
    assert_non_null(strstr(written.at, "\nsticky = source 90m\n"));
    assert_non_null(strstr(written.at, "\nbind = 127.0.0.9\nbind = ::1\n"));
    assert_non_null(strstr(written.at, "\nbind = client\n"));
    assert_non_null(strstr(written.at, "\ncheck = http HEAD /a;b?c=1 200-204\n"));
    assert_non_null(
        strstr(written.at, "\ncheck = send \"a ; \\x00\\\"\"   expect \"b\" or \"c\"\n"));
    assert_non_null(strstr(written.at, "\nhost = b   [2001:db8::1]:80 weight=256 "));
    conf_free(model);
    text_fini(&written);
    folder_remove(folder);
}

static void names_the_keys_that_need_a_restart(void **state)
{
    (void)state;
    struct model *now = load_good("[global]\nworkers = 1\n" BASE_LINES);
    struct model *next =
        load_good("[global]\nworkers = 2\npidfile = /tmp/x.pid\npoller = poll\n"
                  "log_level = debug\n" BASE_LINES);
    struct text keys = {0};
    conf_write_restarts(&keys, now, now);
    assert_int_equal(keys.length, 0);
    conf_write_restarts(&keys, now, next);
    assert_string_equal(keys.at, "pidfile poller");
    text_fini(&keys);
    conf_free(now);
    conf_free(next);
}

static void scheduler_words_are_the_files(void **state)
{
    (void)state;
    assert_string_equal(conf_scheduler_word(SCHEDULER_ROUNDROBIN), "roundrobin");
    assert_string_equal(conf_scheduler_word(SCHEDULER_FIRST), "first");
    assert_string_equal(conf_scheduler_word(SCHEDULER_MAGLEV), "maglev");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_stay_named_or_default),
        cmocka_unit_test(everything_reads_back_identically),
        cmocka_unit_test(defaults_read_back_identically),
        cmocka_unit_test(what_the_environment_held_is_written_out),
        cmocka_unit_test(writes_values_as_they_count),
        cmocka_unit_test(names_the_keys_that_need_a_restart),
        cmocka_unit_test(scheduler_words_are_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

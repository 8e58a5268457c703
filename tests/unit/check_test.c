/* SPDX-License-Identifier: MIT */
/* Promises of conf/check: what no single key can know. */
#include "conf/check.h"

#include "conf_fixture.h"

#define HOST_LINES "[group main]\nhost = app1 10.0.0.11:8080\n"

static void assert_listens_clash(const char *first, const char *second)
{
    char text[512];
    snprintf(text, sizeof text,
             "[service one]\nlisten = %s\ngroup = main\n[service two]\nlisten = %s\n"
             "group = main\n" HOST_LINES,
             first, second);
    assert_refused(text, " is taken by ");
}

static void assert_listens_agree(const char *first, const char *second)
{
    char text[512];
    snprintf(text, sizeof text,
             "[service one]\nlisten = %s\ngroup = main\n[service two]\nlisten = %s\n"
             "group = main\n" HOST_LINES,
             first, second);
    conf_free(load_good(text));
}

static void one_address_has_one_listener(void **state)
{
    (void)state;
    assert_refused(
        "[service one]\nlisten = 127.0.0.1:80\nlisten = 127.0.0.1:80\ngroup = "
        "main\n" HOST_LINES,
        "[service one] listen: 127.0.0.1:80 is taken by 127.0.0.1:80 of [service one]");
    assert_listens_clash("127.0.0.1:80", "127.0.0.1:80");
    assert_listens_clash("[::1]:80", "[0:0::1]:80");
    assert_listens_clash("127.0.0.1:80 interface=lo", "127.0.0.1:80 interface=lo");
    assert_listens_clash("127.0.0.1:80", "127.0.0.1:80 interface=lo");
    assert_listens_agree("127.0.0.1:80", "127.0.0.1:81");
    assert_listens_agree("127.0.0.1:80", "127.0.0.2:80");
}

static void a_wildcard_covers_its_port(void **state)
{
    (void)state;
    assert_listens_clash("*:80", "*:80");
    assert_listens_clash("*:80", "[::]:80");
    assert_listens_clash("*:80", "127.0.0.1:80");
    assert_listens_clash("127.0.0.1:80", "*:80");
    assert_listens_clash("*:80", "[::1]:80");
    assert_listens_clash("*:80", "0.0.0.0:80");
    assert_listens_clash("0.0.0.0:80", "10.0.0.1:80");
    assert_listens_agree("0.0.0.0:80", "[::1]:80");
    assert_listens_agree("*:80", "127.0.0.1:81");
}

static void admin_and_services_share_no_address(void **state)
{
    (void)state;
    assert_refused(
        "[admin]\nlisten = 127.0.0.1:8080\n" BASE_LINES,
        "[service web] listen: 127.0.0.1:8080 is taken by 127.0.0.1:8080 of [admin]");
}

#define USER                                                                                   \
    "[admin]\nuser = eve "                                                                     \
    "$y$j9T$ltjgWl6579NluT$3bYRgJmSUCGFYm4yMIXDzKpJd4dqUXdZmR6pVmfzB8A full\n"

static void a_page_beyond_loopback_must_be_wanted(void **state)
{
    (void)state;
    assert_refused(BASE_LINES "[admin]\nlisten = 0.0.0.0:7001\n", "beyond loopback");
    assert_refused(BASE_LINES "[admin]\nlisten = *:7001\n", "beyond loopback");
    assert_refused(BASE_LINES "[admin]\nlisten = 192.0.2.1:7001\n", "beyond loopback");
    conf_free(load_good(BASE_LINES "[admin]\nlisten = 192.0.2.1:7001 insecure\n"));
    assert_refused(BASE_LINES USER "listen = 192.0.2.1:7001\n", "write tls behind it");
    assert_refused(BASE_LINES USER "listen = 192.0.2.1:7001 tls\n", "tls needs a certificate");
    conf_free(load_good(BASE_LINES "[admin]\nlisten = 127.9.9.9:7001\n"));
}

static void weights_must_not_all_be_zero(void **state)
{
    (void)state;
    assert_refused("[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n"
                   "host = a 10.0.0.1:80 weight=0\nhost = b 10.0.0.2:80 weight=0\n",
                   "[group main] host: every host has weight=0");
    conf_free(load_good("[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n"
                        "host = a 10.0.0.1:80 weight=0\nhost = b 10.0.0.2:80 weight=1\n"));
}

static void the_same_host_name_is_fine_in_two_groups(void **state)
{
    (void)state;
    conf_free(load_good(BASE_LINES "[group two]\nhost = app1 10.0.0.2:80\n"));
}

static void an_unused_group_is_a_warning(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model =
        load_text(BASE_LINES "[group spare]\nhost = a 10.0.0.1:80\n", &problems);
    assert_non_null(model);
    assert_int_equal(problems.n_warnings, 1);
    assert_string_equal(warnings_of(&problems),
                        "command line: [group spare] no service uses this group\n");
    conf_free(model);
    problems_fini(&problems);
}

static void adopt_timeout_is_below_stuck_timeout(void **state)
{
    (void)state;
    assert_global_refused("adopt_timeout = 5s",
                          "[global] adopt_timeout: adopt_timeout (5000 ms) must be less than "
                          "stuck_timeout (5000 ms)");
    assert_global_refused("stuck_timeout = 200ms",
                          "[global] stuck_timeout: adopt_timeout (500 ms) must be less than");
    conf_free(load_good("[global]\nstuck_timeout = 200ms\nadopt_timeout = 100ms\n" BASE_LINES));
}

static void a_timeout_without_effect_is_a_warning(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model = load_text("[service web]\nlisten = 127.0.0.1:80\ngroup = main\n"
                                    "idle_timeout = 1s\n" HOST_LINES,
                                    &problems);
    assert_int_equal(problems.n_warnings, 0);
    conf_free(model);
    model = load_text("[service web]\nlisten = 127.0.0.1:80\ngroup = main\nidle_timeout = 1s\n"
                      "half_close_timeout = 2s\n" HOST_LINES,
                      &problems);
    assert_non_null(model);
    assert_int_equal(problems.n_warnings, 1);
    assert_non_null(strstr(warnings_of(&problems), "half_close_timeout: longer than"));
    conf_free(model);
    problems_fini(&problems);
}

static void one_file_is_not_two_things(void **state)
{
    (void)state;
    assert_global_refused("log = /tmp/x.log\naccess_log = /tmp/x.log",
                          "[global] access_log: the same file as log");
    assert_global_refused("pidfile = /tmp/x.log\nlog = /tmp/x.log",
                          "[global] log: the same file as pidfile");
}

static void assert_warned(const char *lines, const char *says)
{
    char text[1024];
    struct problems problems = {0};
    snprintf(text, sizeof text, BASE_LINES "%s", lines);
    struct model *model = load_text(text, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    if (problems.n_warnings != 1 || strstr(warnings_of(&problems), says) == NULL)
        fail_msg("not \"%s\" but %s", says, warnings_of(&problems));
    conf_free(model);
    problems_fini(&problems);
}

static void assert_not_warned(const char *lines)
{
    char text[1024];
    struct problems problems = {0};
    snprintf(text, sizeof text, BASE_LINES "%s", lines);
    struct model *model = load_text(text, &problems);
    if (model == NULL || problems.n_warnings > 0)
        fail_msg("%s%s", errors_of(&problems), warnings_of(&problems));
    conf_free(model);
    problems_fini(&problems);
}

static void a_check_that_outlasts_its_interval_is_a_warning(void **state)
{
    (void)state;
    assert_warned("check_timeout = 3s\n",
                  "[group main] check_timeout: check_timeout (3000 ms) is longer than "
                  "check_interval (2000 ms)");
    assert_warned("check_interval = 500ms\n", "[group main] check_interval: check_timeout");
    assert_not_warned("check_timeout = 2s\n");
    assert_not_warned("check_timeout = 3s\ncheck = none\n");
}

static void keys_without_effect_are_warnings(void **state)
{
    (void)state;
    assert_warned("tls_name = a.example\n",
                  "tls_name: has no effect without tls or check = tls");
    assert_warned("tls_ca = /etc/passwd\ncheck = http /\n",
                  "tls_ca: has no effect without tls or check = tls");
    assert_not_warned("tls_name = a.example\ncheck = tls\n");
    assert_warned("check = none\nhost = b 10.0.0.2:80 check=10.0.0.2:81\n",
                  "[group main] host: check= has no effect");
    assert_warned("check = none\neject_failures = 0\nfail_open = 10%\n",
                  "fail_open: has no effect: without check and eject_failures");
    assert_not_warned("check = none\nfail_open = 10%\n");
    assert_not_warned("eject_failures = 0\nfail_open = 10%\n");
    assert_warned("bind = client\npool = 1\n", "bind: pool has no effect");
}

static void an_address_of_a_family_that_no_host_has_is_a_warning(void **state)
{
    (void)state;
    assert_warned("bind = 127.0.0.1\nbind = ::1\n",
                  "bind: has no effect: no host of this group has an IPv6 address");
    assert_not_warned("bind = 127.0.0.1\n");
    assert_not_warned("bind = ::1\nhost = b [::1]:80\n");
    assert_not_warned("bind = ::1\nhost = b name.example:80\n");
}

static void source_addresses_agree(void **state)
{
    (void)state;
    assert_refused(BASE_LINES "bind = 127.0.0.1\nbind = client\n",
                   "[group main] bind: client stands alone");
    assert_refused(BASE_LINES "bind = 127.0.0.1\nbind = 127.0.0.1\n",
                   "[group main] bind: the same address twice");
}

static void standby_groups_are_used(void **state)
{
    (void)state;
    assert_not_warned("[group spare]\nhost = a 10.0.0.2:80\n[service two]\n"
                      "listen = 127.0.0.1:81\ngroup = main\nstandby = spare\n");
}

static void lines_of_names_count_once(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct problems problems = {0};
    struct address found[2] = {{.weight = 1}, {.weight = 1}};
    for (uint32_t i = 0; i < 2; i++)
        found[i].at = (struct addr){
            .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001U + i)},
            .length = sizeof(struct sockaddr_in)};
    assert_int_equal(addresses_set(&addresses, "a.example", found, 2), 1);
    struct conf_request request = {
        .text = "[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n"
                "host = a a.example:80\nhost = b a.example:80\n",
        .addresses = &addresses};
    struct model *model = conf_load(&request, &problems);
    assert_non_null(model);
    assert_int_equal(model->n_hosts, 4);
    conf_free(model);
    request.text = "[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n"
                   "host = a a.example:80\nhost = a 10.0.0.1:80\n";
    assert_null(conf_load(&request, &problems));
    assert_int_equal(problems.n_errors, 1);
    assert_non_null(strstr(errors_of(&problems), "a second host a in this group"));
    problems_fini(&problems);
    request.text = "[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n"
                   "host = a a.example:80 weight=0\nhost = b 10.0.0.1:80 weight=0\n";
    assert_null(conf_load(&request, &problems));
    assert_int_equal(problems.n_errors, 1);
    assert_non_null(strstr(errors_of(&problems), "every host has weight=0"));
    problems_fini(&problems);
    addresses_fini(&addresses);
    assert_refused(BASE_LINES "host = a a.example:80\nhost = a@10.0.0.1 10.0.0.1:80\n",
                   "a@10.0.0.1 would be taken for an address of host a");
    conf_free(load_good(BASE_LINES "host = a 10.0.0.2:80\nhost = a@10.0.0.1 10.0.0.1:80\n"));
}

static void more_than_the_segment_holds_is_refused(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, BASE_LINES);
    for (unsigned i = 0; i < CHECK_MOST_HOSTS; i++)
        text_printf(&text, "host = h%u 10.0.0.1:%u\n", i, i % 60000 + 1);
    assert_refused(text.at, "65537 hosts are more than 65536");
    text_clear(&text);
    text_add(&text, "[group main]\nhost = a 10.0.0.1:80\n");
    for (unsigned i = 0; i <= CHECK_MOST_SERVICES; i++)
        text_printf(&text, "[service s%u]\nlisten = 127.0.0.1:%u\ngroup = main\n", i, i + 1);
    assert_refused(text.at, "1025 services are more than 1024");
    text_clear(&text);
    text_add(&text, BASE_LINES);
    for (unsigned i = 0; i < CHECK_MOST_GROUPS; i++)
        text_printf(&text, "[group g%u]\nhost = a 10.0.0.1:80\n", i);
    assert_refused(text.at, "4097 groups are more than 4096");
    text_fini(&text);
}

static void the_page_has_so_many_addresses_at_most(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, BASE_LINES "[admin]\n");
    for (unsigned i = 0; i < CHECK_MOST_DOORS; i++)
        text_printf(&text, "listen = 127.0.0.1:%u\n", 20000 + i);
    conf_free(load_good(text.at));
    text_add(&text, "listen = 127.0.0.1:30000\n");
    assert_refused(text.at, "[admin] listen: 33 addresses are more than 32");
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_so_many_addresses_at_most),
        cmocka_unit_test(one_address_has_one_listener),
        cmocka_unit_test(a_wildcard_covers_its_port),
        cmocka_unit_test(admin_and_services_share_no_address),
        cmocka_unit_test(a_page_beyond_loopback_must_be_wanted),
        cmocka_unit_test(weights_must_not_all_be_zero),
        cmocka_unit_test(the_same_host_name_is_fine_in_two_groups),
        cmocka_unit_test(an_unused_group_is_a_warning),
        cmocka_unit_test(adopt_timeout_is_below_stuck_timeout),
        cmocka_unit_test(a_timeout_without_effect_is_a_warning),
        cmocka_unit_test(one_file_is_not_two_things),
        cmocka_unit_test(a_check_that_outlasts_its_interval_is_a_warning),
        cmocka_unit_test(keys_without_effect_are_warnings),
        cmocka_unit_test(an_address_of_a_family_that_no_host_has_is_a_warning),
        cmocka_unit_test(source_addresses_agree),
        cmocka_unit_test(standby_groups_are_used),
        cmocka_unit_test(lines_of_names_count_once),
        cmocka_unit_test(more_than_the_segment_holds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

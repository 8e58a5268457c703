/* SPDX-License-Identifier: MIT */
/* Tests of the status page. */
#include "admin/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "admin_rig.h"

static char *render(const struct admin_rig *rig)
{
    struct text text = {0};
    page_html(&text, &rig->status);
    char *page = text_take(&text);
    assert_non_null(page);
    return page;
}

static void escapes_every_hostile_name(void **state)
{
    struct admin_rig *rig = *state;
    rig->services[0].name = "<img src=x onerror=alert(2)>";
    rig->groups[0].name = "</textarea><b>";
    rig->hosts[2].address_text = "'onx=1:80";
    host_set_health(&rig->segment, 11, HEALTH_DOWN, "<svg onload=alert(3)>");
    char *page = render(rig);
    assert_null(strstr(page, "<script>alert"));
    assert_null(strstr(page, "<img src=x"));
    assert_null(strstr(page, "</textarea>"));
    assert_null(strstr(page, "<svg onload"));
    assert_null(strstr(page, "'onx"));
    assert_null(strstr(page, "t<i>tle"));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(page, "&lt;svg onload=alert(3)&gt;"));
    assert_non_null(strstr(page, "t&lt;i&gt;tle"));
    free(page);
}

static void names_hosts_that_are_not_up_first(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_non_null(strstr(page, "id=\"attention\" hidden"));
    assert_non_null(strstr(page, "all is well"));
    free(page);

    host_set_health(&rig->segment, 12, HEALTH_DOWN, "connect: refused");
    page = render(rig);
    const char *attention = strstr(page, "1 of 3 hosts not up</h2>");
    assert_non_null(attention);
    assert_null(strstr(page, "id=\"attention\" hidden"));
    assert_non_null(strstr(page, "<title>1 of 3 hosts not up"));
    const char *named = strstr(attention, "<a href=\"#s0g0h2\">app3</a>");
    const char *table = strstr(page, "<table");
    assert_true(named != NULL && table != NULL && named < table);
    assert_non_null(strstr(page, "<tr id=\"s0g0h2\" class=\"out\">"));
    free(page);
}

static void lists_no_more_than_one_can_read(void **state)
{
    struct admin_rig *rig = *state;
    static struct model_host hosts[50];
    static uint32_t rows[50];
    for (uint32_t i = 0; i < 50; i++) {
        hosts[i] =
            (struct model_host){.name = "h", .line_name = "h", .address_text = "192.0.2.1:80"};
        rows[i] = 100 + i;
        host_reset(&rig->segment, 100 + i, 4);
        host_set_health(&rig->segment, 100 + i, HEALTH_DOWN, "");
    }
    rig->groups[0].hosts = hosts;
    rig->groups[0].n_hosts = 50;
    rig->rows.hosts = rows;
    char *page = render(rig);
    size_t listed = 0;
    for (const char *at = page; (at = strstr(at, "<li><span class=\"badge down\"")) != NULL;
         at++)
        listed++;
    assert_int_equal(listed, 20);
    assert_non_null(strstr(page, "and 30 more"));
    free(page);
}

static void links_title_only_to_where_a_link_leads(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_non_null(strstr(page, "<h1><a href=\"https://example.net/?a&amp;b\">"));
    free(page);
    rig->model.admin.url = "javascript:alert(1)";
    page = render(rig);
    assert_null(strstr(page, "javascript:"));
    free(page);
}

static void refreshes_also_without_scripts(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_non_null(strstr(page, "data-refresh=\"2500\" data-generation=\"7\""));
    assert_non_null(
        strstr(page, "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>"));
    free(page);
    rig->model.admin.refresh_ms = 0;
    page = render(rig);
    assert_non_null(strstr(page, "content=\"1\"></noscript>"));
    free(page);
}

static void needs_no_other_site(void **state)
{
    struct admin_rig *rig = *state;
    rig->model.admin.url = "";
    char *page = render(rig);
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, " style=")); /* the policy would refuse them */
    assert_null(strstr(page, " onclick="));
    free(page);
}

static size_t count(const char *page, const char *what)
{
    size_t n = 0;
    for (const char *at = page; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void tells_why_since_when_and_what_came_before(void **state)
{
    struct admin_rig *rig = *state;
    rig->groups[0].check = (struct model_check){.kind = CHECK_HTTP, .text = "http /<ok>"};
    struct host_row *row = &rig->segment.hosts[12];
    atomic_store(&row->checks_total, 1234);
    atomic_store(&row->check_failures_total, 3);
    atomic_store(&row->check_took_ns, 1500000);
    atomic_store(&row->next_check_ns, rig->status.now_ns + 1400 * CLOCK_NS_PER_MS);
    host_set_health(&rig->segment, 12, HEALTH_DOWN, "status <500>");
    host_set_health(&rig->segment, 12, HEALTH_UP, "status <500>");
    atomic_store(&row->since_ns, INT64_C(1795330800) * INT64_C(1000000000));
    char *page = render(rig);
    const char *at = strstr(page, "<tr id=\"s0g0h2\" class=\"\">");
    assert_non_null(at);
    const char *end = strstr(at, "</tr>");
    const char *said[] = {
        "<details><summary>status &lt;500&gt;</summary>",
        "<b>http /&lt;ok&gt;</b>",
        " failed, the last took 1.5 ms</p>",
        "<span class=\"badge up\">up</span>",
        "<span class=\"badge down\">down</span> <span>status &lt;500&gt;</span>",
        "<small>2026-11-22 07:00:00Z</small>",
        "data-label=\"Next check\">1.4 s</td>"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const char *found = strstr(at, said[i]);
        if (found == NULL || found > end)
            fail_msg("the row lacks %s", said[i]);
    }
    assert_null(strstr(page, "<500>"));
    free(page);
}

static void lists_faults_before_what_was_asked_for(void **state)
{
    struct admin_rig *rig = *state;
    host_set_admin(&rig->segment, 10, ADMIN_DOWN);
    host_set_health(&rig->segment, 12, HEALTH_DOWN, "refused");
    char *page = render(rig);
    const char *fault = strstr(page, "<a href=\"#s0g0h2\">");
    const char *asked = strstr(page, "<a href=\"#s0g0h0\">");
    assert_true(fault != NULL && asked != NULL && fault < asked);
    assert_non_null(strstr(page, "<tr id=\"s0g0h0\" class=\"asked\">"));
    assert_non_null(strstr(page, "<summary>taken out by an administrator</summary>"));
    assert_non_null(strstr(page, ">1 of 3 usable</span>"));
    free(page);
}

static void tells_a_host_being_drained_from_one_that_is(void **state)
{
    struct admin_rig *rig = *state;
    host_set_admin(&rig->segment, 10, ADMIN_DRAIN); /* has four connections */
    host_set_admin(&rig->segment, 12, ADMIN_DRAIN);
    atomic_store(&rig->segment.hosts[10].drain_until_ns,
                 rig->status.now_ns + 90 * CLOCK_NS_PER_S);
    char *page = render(rig);
    assert_int_equal(count(page, "<summary>drained by an administrator</summary>"), 2);
    assert_int_equal(count(page, "<summary>being drained by an administrator, open ones are "
                                 "closed within 1 min</summary>"),
                     2); /* two services show it */
    free(page);
}

static void shows_standby_groups_under_their_service(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_non_null(strstr(page, "<span class=\"role\" hidden>"));
    free(page);
    admin_rig_add_spare(rig);
    page = render(rig);
    assert_int_equal(count(page, "<div class=\"group\">"), 3); /* two of web, one of mail */
    assert_int_equal(count(page, "<tr id=\"s0g1h1\""), 1);
    assert_non_null(strstr(page, "badge enabled\">enabled</span>"));
    assert_non_null(strstr(page, "badge standby\">standby</span>"));
    for (uint32_t host = 10; host < 13; host++)
        host_set_health(&rig->segment, host, HEALTH_DOWN, "");
    free(page);
    page = render(rig);
    assert_non_null(strstr(page, "badge failover\">failover</span>"));
    assert_non_null(strstr(page, "3 of 5 hosts not up</h2>"));
    free(page);
}

static void marks_a_group_that_fails_open(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_non_null(strstr(page, "<span class=\"bad\" hidden>fail open"));
    free(page);
    rig->groups[0].fail_open = 50;
    host_set_health(&rig->segment, 10, HEALTH_DOWN, "");
    host_set_health(&rig->segment, 11, HEALTH_DOWN, "");
    page = render(rig);
    assert_non_null(strstr(page, "<span class=\"bad\">fail open"));
    free(page);
}

static void tells_of_a_reload_that_failed(void **state)
{
    struct admin_rig *rig = *state;
    struct status_reload reload = {.wall_ns = INT64_C(1795330800) * INT64_C(1000000000),
                                   .message = "a.conf:3: \"<script>\" & more"};
    char *page = render(rig);
    assert_non_null(strstr(page, "id=\"reload\" role=\"alert\" hidden"));
    free(page);
    rig->status.reload = &reload;
    page = render(rig);
    assert_non_null(strstr(page, "id=\"reload\" role=\"alert\"><h2>The reload of "
                                 "2026-11-22T07:00:00Z failed: generation 7 serves on</h2>"
                                 "<pre>a.conf:3: &quot;&lt;script&gt;&quot; &amp; more</pre>"));
    free(page);
    reload.is_ok = true;
    page = render(rig);
    assert_non_null(strstr(page, "id=\"reload\" role=\"alert\" hidden"));
    free(page);
}

/* The token is for who may make calls, and for nobody else. */
static void hands_its_token_to_who_may_make_calls(void **state)
{
    struct admin_rig *rig = *state;
    const struct viewer viewers[] = {
        {.access = ACCESS_FULL, .user = "eve", .token = "0123456789abcdef"},
        {.access = ACCESS_READONLY, .user = "rob", .token = ""},
        {.access = ACCESS_READONLY, .token = ""}};
    for (size_t i = 0; i < sizeof viewers / sizeof *viewers; i++) {
        rig->status.viewer = &viewers[i];
        char *page = render(rig);
        assert_int_equal(
            count(page, "<meta name=\"gaidaros-token\" content=\"0123456789abcdef\">"), i == 0);
        assert_int_equal(count(page, "gaidaros-token"), i == 0);
        free(page);
    }
    rig->status.viewer = NULL;
    char *page = render(rig);
    assert_null(strstr(page, "gaidaros-token"));
    free(page);
}

static void tells_how_connects_failed_and_what_ports_are_left(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    const char *row = strstr(page, "<tr id=\"s0g0h0\"");
    assert_non_null(row);
    const char *told = strstr(row, "<p>failed connects: timeout 6</p>");
    assert_true(told != NULL && told < strstr(row, "</tr>"));
    const char *other = strstr(page, "<tr id=\"s0g0h2\"");
    const char *hidden = strstr(other, "<p hidden>failed connects: </p>");
    assert_true(hidden != NULL && hidden < strstr(other, "</tr>"));
    free(page);
}

static void tells_what_is_counted_of_the_daemon(void **state)
{
    struct admin_rig *rig = *state;
    atomic_store(&rig->segment.daemon->reloads_failed, 3);
    atomic_store(&rig->segment.daemon->access_dropped, 1234);
    rig->status.lines_lost = 5;
    char *page = render(rig);
    assert_non_null(strstr(page, "<dd id=\"fact-reloads-failed\">3</dd>"));
    assert_non_null(strstr(page, "<dd id=\"fact-access_dropped\">1\xe2\x80\xaf"
                                 "234</dd>"));
    assert_non_null(strstr(page, "<dd id=\"fact-lines_lost\">5</dd>"));
    free(page);
}

static void marks_a_group_whose_connections_checks_may_end(void **state)
{
    struct admin_rig *rig = *state;
    char *page = render(rig);
    assert_null(strstr(page, "data-cuts"));
    free(page);
    rig->groups[0].on_down = ON_DOWN_CLOSE;
    page = render(rig);
    assert_int_equal(count(page, "<div class=\"group\" data-cuts>"),
                     2); /* two services show it */
    free(page);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(escapes_every_hostile_name),
        RIG_TEST(names_hosts_that_are_not_up_first),
        RIG_TEST(tells_of_a_reload_that_failed),
        RIG_TEST(lists_no_more_than_one_can_read),
        RIG_TEST(links_title_only_to_where_a_link_leads),
        RIG_TEST(refreshes_also_without_scripts),
        RIG_TEST(needs_no_other_site),
        RIG_TEST(tells_why_since_when_and_what_came_before),
        RIG_TEST(lists_faults_before_what_was_asked_for),
        RIG_TEST(tells_a_host_being_drained_from_one_that_is),
        RIG_TEST(shows_standby_groups_under_their_service),
        RIG_TEST(marks_a_group_that_fails_open),
        RIG_TEST(hands_its_token_to_who_may_make_calls),
        RIG_TEST(tells_how_connects_failed_and_what_ports_are_left),
        RIG_TEST(tells_what_is_counted_of_the_daemon),
        RIG_TEST(marks_a_group_whose_connections_checks_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    const char *named = strstr(attention, "<a href=\"#s0h2\">app3</a>");
    const char *table = strstr(page, "<table");
    assert_true(named != NULL && table != NULL && named < table);
    assert_non_null(strstr(page, "<tr id=\"s0h2\">"));
    free(page);
}

static void lists_no_more_than_one_can_read(void **state)
{
    struct admin_rig *rig = *state;
    static struct model_host hosts[50];
    static uint32_t rows[50];
    for (uint32_t i = 0; i < 50; i++) {
        hosts[i] = (struct model_host){.name = "h", .address_text = "192.0.2.1:80"};
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

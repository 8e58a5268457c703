/* SPDX-License-Identifier: MIT */
/* Tests of what can be read with GET. */
#include "admin/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin_rig.h"

static unsigned int get(const char *path, const struct status *status, struct answer *answer)
{
    answer_fini(answer);
    const struct viewer viewer = {.token = ""};
    route_answer(path, status, &viewer, answer);
    return answer->status;
}

static void health_follows_the_daemon(void **state)
{
    struct admin_rig *rig = *state;
    struct answer answer = {0};
    assert_int_equal(get("/healthz", NULL, &answer), 503);
    assert_int_equal(get("/healthz", &rig->status, &answer), 200);
    assert_string_equal(answer.body.at, "serving\n");
    rig->status.is_draining = true;
    assert_int_equal(get("/healthz", &rig->status, &answer), 503);
    assert_string_equal(answer.body.at, "draining\n");
    rig->status.is_draining = false;
    atomic_store(&rig->segment.daemon->state, DAEMON_STARTING);
    assert_int_equal(get("/healthz", &rig->status, &answer), 503);
    answer_fini(&answer);
}

static void each_path_has_its_type(void **state)
{
    struct admin_rig *rig = *state;
    static const char *const types[][2] = {{"/", "text/html; charset=utf-8"},
                                           {"/running", "text/html; charset=utf-8"},
                                           {"/running.json", "application/json"},
                                           {"/running.txt", "text/plain; charset=utf-8"},
                                           {"/page.css", "text/css; charset=utf-8"},
                                           {"/page.js", "text/javascript; charset=utf-8"},
                                           {"/icon.svg", "image/svg+xml"},
                                           {"/healthz", "text/plain; charset=utf-8"}};
    struct answer answer = {0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_int_equal(get(types[i][0], &rig->status, &answer), 200);
        assert_string_equal(answer.type, types[i][1]);
        assert_true(answer.body.length > 5);
        assert_true(route_is_known(types[i][0]));
    }
    answer_fini(&answer);
}

static void other_spellings_lead_nowhere(void **state)
{
    struct admin_rig *rig = *state;
    static const char *const paths[] = {
        "",         "//",       "/running/",      "/Running",
        "/%2e%2e/", "/../etc/", "/running.json ", "/etc/passwd"};
    struct answer answer = {0};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(get(paths[i], &rig->status, &answer), 404);
        assert_false(route_is_known(paths[i]));
    }
    answer_fini(&answer);
}

static void before_the_first_configuration_only_files_are_there(void **state)
{
    (void)state;
    struct answer answer = {0};
    assert_int_equal(get("/running.json", NULL, &answer), 503);
    assert_int_equal(get("/", NULL, &answer), 503);
    assert_int_equal(get("/page.css", NULL, &answer), 200);
    answer_fini(&answer);
}

/* What the page names, a browser can get, as what the page takes it for. */
static void the_page_names_only_what_there_is(void **state)
{
    struct admin_rig *rig = *state;
    struct answer page = {0}, file = {0};
    static const char *const kinds[][2] = {{"<script src=\"", "text/javascript; charset=utf-8"},
                                           {"stylesheet\" href=\"", "text/css; charset=utf-8"},
                                           {"svg+xml\" href=\"", "image/svg+xml"}};
    get("/", &rig->status, &page);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t named = 0;
        for (const char *at = page.body.at; (at = strstr(at, kinds[i][0])) != NULL; named++) {
            char path[32];
            at += strlen(kinds[i][0]);
            snprintf(path, sizeof path, "/%.*s", (int)strcspn(at, "\""), at);
            if (get(path, NULL, &file) != 200)
                fail_msg("there is no %s", path);
            assert_string_equal(file.type, kinds[i][1]);
            assert_true(file.body.length > 100);
        }
        assert_true(named > 0);
    }
    answer_fini(&page);
    answer_fini(&file);
}

/* The script rewrites cells by their order: a row must have as many as it takes apart. */
static void script_and_page_agree_on_cells(void **state)
{
    struct admin_rig *rig = *state;
    struct answer page = {0}, script = {0};
    get("/", &rig->status, &page);
    get("/page.js", &rig->status, &script);
    const char *row = strstr(page.body.at, "<tr id=\"s0g0h0\"");
    assert_non_null(row);
    const char *end = strstr(row, "</tr>");
    size_t cells = 0, names = 0;
    for (const char *at = row; (at = strstr(at, "<td")) != NULL && at < end; at++)
        cells++;
    const char *list = strstr(script.body.at, "const [, state, reason,");
    assert_non_null(list);
    for (const char *at = list; *at != ']'; at++)
        names += *at == ',';
    assert_int_equal(cells, names + 1);
    static const char *const ids[] = {
        "state",       "uptime", "open",      "total",     "rate",      "spark",
        "in",          "out",    "hosts-up",  "hosts-all", "hosts-sub", "workers-up",
        "workers-all", "load",   "attention", "workers",   "lost",      "stamp"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char id[32];
        snprintf(id, sizeof id, "id=\"%s\"", ids[i]);
        if (strstr(page.body.at, id) == NULL)
            fail_msg("the page has no %s", id);
    }
    answer_fini(&page);
    answer_fini(&script);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(health_follows_the_daemon),
        RIG_TEST(each_path_has_its_type),
        RIG_TEST(other_spellings_lead_nowhere),
        RIG_TEST(before_the_first_configuration_only_files_are_there),
        RIG_TEST(script_and_page_agree_on_cells),
        RIG_TEST(the_page_names_only_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

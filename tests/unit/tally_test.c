/* SPDX-License-Identifier: MIT */
/* Tests of ctl/tally: two looks make rates; what fails comes first. */
#include "ctl/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LOOK(first, second, total)                                                             \
    "{\"version\":\"1\",\"state\":\"serving\",\"services\":[{\"name\":\"web\","                \
    "\"connections\":3,"                                                                       \
    "\"connections_total\":" total ",\"groups\":[{\"name\":\"main\",\"hosts\":["               \
    "{\"name\":\"" first "\",\"state\":\"up\",\"connections\":1,\"connections_total\":0},"     \
    "{\"name\":\"" second "\",\"state\":\"up\",\"connections\":2,\"connections_total\":" total \
    "},{\"name\":\"ill\",\"state\":\"down\",\"reason\":\"no \\u001b[2J\",\"connections\":0,"   \
    "\"connections_total\":0}]}]}],"                                                           \
    "\"workers\":[{\"id\":0,\"state\":\"up\",\"accepted_total\":" total ",\"busy_s\":0}]}"

static struct text lines_of(const struct tally *tally, int sort, const char *filter)
{
    struct text out = {0};
    tally_add_lines(&out, tally, &(struct tally_view){.sort = sort, .filter = filter});
    assert_false(out.failed);
    return out;
}

/* The lines of hosts come in this order; what is left out is not there. */
static void order_is(const struct tally *tally, int sort, const char *filter,
                     const char *const names[3])
{
    struct text out = lines_of(tally, sort, filter);
    const char *at = strstr(out.at, "\nHOST ");
    assert_non_null(at);
    for (int i = 0; i < 3 && names[i] != NULL; i++) {
        at = strchr(at + 1, '\n');
        assert_non_null(at);
        assert_memory_equal(at + 1, names[i], strlen(names[i]));
    }
    assert_memory_equal(strchr(at + 1, '\n'), "\n\nWORKER", 8);
    text_fini(&out);
}

static void two_looks_make_rates(void **state)
{
    (void)state;
    struct tally tally = {0};
    assert_true(tally_take(&tally, LOOK("b", "a", "10"), 100));
    struct text out = lines_of(&tally, 0, "");
    assert_non_null(strstr(out.at, "web                           3        0.0"));
    text_fini(&out);
    assert_true(tally_take(&tally, LOOK("b", "a", "35"), 102.5));
    out = lines_of(&tally, 0, "");
    assert_non_null(strstr(out.at, "web                           3       10.0"));
    text_fini(&out);
    /* Hosts are found again where they stand elsewhere; a counter that went back is no rate. */
    assert_true(tally_take(&tally, LOOK("a", "b", "5"), 103));
    out = lines_of(&tally, 0, "");
    assert_non_null(strstr(out.at, "web                           3        0.0"));
    text_fini(&out);
    tally_fini(&tally);
}

static void hosts_come_in_the_order_asked_for(void **state)
{
    (void)state;
    struct tally tally = {0};
    assert_true(tally_take(&tally, LOOK("b", "a", "10"), 1));
    order_is(&tally, 0, "",
             (const char *const[]){"ill ", "b ", "a "}); /* equals as they stand */
    assert_true(tally_take(&tally, LOOK("b", "a", "20"), 2));
    order_is(&tally, 0, "", (const char *const[]){"ill ", "a ", "b "});
    order_is(&tally, 1, "", (const char *const[]){"a ", "b ", "ill "});
    order_is(&tally, 2, "", (const char *const[]){"a ", "b ", "ill "});
    tally_fini(&tally);
}

static void a_filter_leaves_what_holds_it(void **state)
{
    (void)state;
    struct tally tally = {0};
    assert_true(tally_take(&tally, LOOK("b", "a", "10"), 1));
    order_is(&tally, 0, "DOWN", (const char *const[]){"ill ", NULL, NULL});
    order_is(&tally, 0, "MAIN", (const char *const[]){"ill ", "b ", "a "});
    order_is(&tally, 0, "nothing has this", (const char *const[]){NULL, NULL, NULL});
    tally_fini(&tally);
}

static void lines_hold_no_control_characters(void **state)
{
    (void)state;
    struct tally tally = {0};
    assert_true(tally_take(&tally, LOOK("b", "a", "10"), 1));
    struct text out = lines_of(&tally, 0, "");
    assert_null(strchr(out.at, '\033'));
    assert_non_null(strstr(out.at, "no ?[2J"));
    text_fini(&out);
    tally_fini(&tally);
}

static void what_shows_no_services_changes_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",   "503 starting",     "[]",
                                         "{}", "{\"services\":1}", "{\"services\":"};
    struct tally tally = {0};
    struct text out = {0};
    tally_add_lines(&out, &tally, &(struct tally_view){.filter = ""});
    assert_int_equal(out.length, 0);
    assert_true(tally_take(&tally, LOOK("b", "a", "10"), 1));
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_false(tally_take(&tally, bodies[i], 2));
    assert_true(tally.looked_s == 1 && tally.then == NULL);
    /* Values of other kinds than they should be are shown as nothing. */
    assert_true(tally_take(&tally,
                           "{\"services\":[1,{\"groups\":[{\"hosts\":[null,{\"name\":3}]}]}],"
                           "\"workers\":{}}",
                           3));
    out = lines_of(&tally, 0, "");
    text_fini(&out);
    tally_fini(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_looks_make_rates),
        cmocka_unit_test(hosts_come_in_the_order_asked_for),
        cmocka_unit_test(a_filter_leaves_what_holds_it),
        cmocka_unit_test(lines_hold_no_control_characters),
        cmocka_unit_test(what_shows_no_services_changes_nothing),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}

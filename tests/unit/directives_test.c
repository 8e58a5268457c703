/* SPDX-License-Identifier: MIT */
/* Promises of conf/directives: of every row of the table. */
#include "conf/directives.h"

#include <stdio.h>

#include "conf/write.h"
#include "conf_fixture.h"

static const struct directive *rows_of(size_t *n)
{
    const struct directive *rows = directives_all(n);
    assert_true(*n > 60);
    return rows;
}

static void every_row_has_a_sentence(void **state)
{
    (void)state;
    size_t n;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(rows[i].says);
        size_t length = strlen(rows[i].says);
        if (length < 10 || rows[i].says[length - 1] != '.')
            fail_msg("%s: no sentence", rows[i].key);
        assert_non_null(rows[i].kind);
        assert_non_null(rows[i].kind->noun);
        assert_non_null(rows[i].kind->form);
        assert_non_null(rows[i].kind->parse);
        assert_non_null(rows[i].kind->print);
    }
}

static void every_row_has_a_key_of_its_own(void **state)
{
    (void)state;
    size_t n;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(directives_find(rows[i].section, rows[i].key), &rows[i]);
}

static void every_row_has_a_field_or_a_reason(void **state)
{
    (void)state;
    size_t n;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_include = strcmp(rows[i].key, "include") == 0;
        if (rows[i].bytes == 0 && !rows[i].is_later && !is_include)
            fail_msg("%s: parses but does nothing", rows[i].key);
        if (rows[i].bytes > 0 && !rows[i].repeats)
            assert_ptr_equal(directives_at(rows[i].section, rows[i].offset), &rows[i]);
        /* A field starts as the default; a list starts empty; what is required has none. */
        if (rows[i].bytes > 0 && !rows[i].repeats && !rows[i].is_required)
            assert_non_null(rows[i].def);
        if (rows[i].is_later && strcmp(rows[i].key, "include") != 0)
            assert_non_null(rows[i].def);
    }
}

/* Loads a configuration in which this key is written so. */
static struct model *load_with(const struct directive *row, const char *value,
                               struct problems *problems)
{
    static const char *const before[SECTION_KINDS] = {
        [SECTION_GLOBAL] = BASE_LINES "[global]",
        [SECTION_ADMIN] = BASE_LINES "[admin]",
        [SECTION_SERVICE] = BASE_LINES "[service s]\nlisten = 127.0.0.1:81\ngroup = main",
        [SECTION_GROUP] = BASE_LINES "[group g]\nhost = a 10.0.0.1:80",
    };
    char text[2048];
    snprintf(text, sizeof text, "%s\n%s = %s\n", before[row->section], row->key, value);
    return load_text(text, problems);
}

static const void *field_of(const struct model *model, const struct directive *row)
{
    const void *const bases[SECTION_KINDS] = {
        [SECTION_GLOBAL] = &model->global,
        [SECTION_ADMIN] = &model->admin,
        [SECTION_SERVICE] = &model->services[model->n_services - 1],
        [SECTION_GROUP] = &model->groups[model->n_groups - 1],
    };
    return (const char *)bases[row->section] + row->offset;
}

static void every_default_parses_and_prints_back(void **state)
{
    (void)state;
    size_t n;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        if (row->def == NULL)
            continue;
        struct problems problems = {0};
        /* The default places of run-time files may be missing on this machine: none is asked for. */
        const char *value = row->may_be_empty ? "" : row->def;
        struct model *model = load_with(row, value, &problems);
        if (model == NULL)
            fail_msg("%s = %s: %s", row->key, value, errors_of(&problems));
        if (row->bytes > 0 && !row->repeats) {
            struct text printed = {0};
            row->kind->print(&printed, model, row, field_of(model, row));
            assert_string_equal(printed.at != NULL ? printed.at : "", value);
            text_fini(&printed);
        }
        conf_free(model);
        problems_fini(&problems);
    }
}

static void assert_bound(const struct directive *row, const char *value, bool is_within)
{
    struct problems problems = {0};
    struct model *model = load_with(row, value, &problems);
    bool has_said = strstr(errors_of(&problems), "out of bounds") != NULL;
    if (has_said == is_within)
        fail_msg("%s = %s: %s", row->key, value, errors_of(&problems));
    if (!is_within)
        assert_null(model);
    conf_free(model);
    problems_fini(&problems);
}

static void every_bound_holds(void **state)
{
    (void)state;
    size_t n, n_bounded = 0;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        int64_t least, most;
        if (row->kind->number == NULL || row->min == NULL || row->max == NULL || row->is_later)
            continue;
        assert_int_equal(row->kind->number(row->min, &least), 0);
        assert_int_equal(row->kind->number(row->max, &most), 0);
        assert_true(least < most);
        assert_bound(row, row->min, true);
        assert_bound(row, row->max, true);
        char beyond[64];
        /* One more in the unit in which the bound is written ("7d" -> "71d"). */
        size_t digits = strspn(row->max, "0123456789");
        snprintf(beyond, sizeof beyond, "%.*s1%s", (int)digits, row->max, row->max + digits);
        if (row->kind != &value_percent)
            assert_bound(row, beyond, false);
        if (least > 0 && row->kind == &value_duration) {
            snprintf(beyond, sizeof beyond, "%dms", (int)(least - 1));
            assert_bound(row, beyond, false);
        }
        n_bounded++;
    }
    assert_true(n_bounded > 15);
}

static void every_later_key_is_refused_unless_default(void **state)
{
    (void)state;
    size_t n, n_later = 0;
    const struct directive *rows = rows_of(&n);
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        if (!row->is_later)
            continue;
        const char *value = row->kind == &value_bool       ? (row->def[0] == 'y' ? "no" : "yes")
                            : row->kind == &value_duration ? "77s"
                            : row->kind == &value_percent  ? "77%"
                            : row->kind == &value_rate     ? "77/s"
                            : row->kind == &value_number   ? "77"
                                                           : "something";
        struct problems problems = {0};
        assert_null(load_with(row, value, &problems));
        if (problems.n_errors != 1 || strstr(errors_of(&problems), "not yet supported") == NULL)
            fail_msg("%s = %s: %s", row->key, value, errors_of(&problems));
        problems_fini(&problems);
        n_later++;
    }
    assert_true(n_later > 0);
}

static void later_default_may_be_spelt_otherwise(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model =
        load_with(directives_find(SECTION_SERVICE, "handshake_timeout"), "10000ms", &problems);
    assert_non_null(model);
    conf_free(model);
    model =
        load_with(directives_find(SECTION_GLOBAL, "cache"), "\"/var/lib/gaidaros\"", &problems);
    assert_non_null(model);
    conf_free(model);
    assert_null(
        load_with(directives_find(SECTION_SERVICE, "handshake_timeout"), "ten", &problems));
    assert_non_null(strstr(errors_of(&problems), "is not a duration"));
    problems_fini(&problems);
}

static void every_required_key_is_missed(void **state)
{
    (void)state;
    assert_refused("[service web]\nlisten = 127.0.0.1:80\n[group main]\nhost = a 10.0.0.1:80\n",
                   "[service web] group: is missing");
    assert_refused("[service web]\ngroup = main\n[group main]\nhost = a 10.0.0.1:80\n",
                   "[service web] listen: is missing");
    assert_refused("[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n",
                   "[group main] host: is missing");
}

static void nearest_key_is_of_the_same_section(void **state)
{
    (void)state;
    assert_string_equal(directives_nearest(SECTION_GLOBAL, "worker"), "workers");
    assert_string_equal(directives_nearest(SECTION_GROUP, "Scheduler"), "scheduler");
    assert_null(directives_nearest(SECTION_GROUP, "zzzzzzzz"));
}

static void manual_tells_of_every_row(void **state)
{
    (void)state;
    struct text manual = {0};
    size_t n;
    const struct directive *rows = rows_of(&n);
    conf_write_manual(&manual);
    for (size_t i = 0; i < n; i++) {
        char heading[80];
        snprintf(heading, sizeof heading, "\n\\fB%s\\fR = ", rows[i].key);
        if (strstr(manual.at, heading) == NULL)
            fail_msg("%s is missing", rows[i].key);
    }
    text_fini(&manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_sentence),
        cmocka_unit_test(every_row_has_a_key_of_its_own),
        cmocka_unit_test(every_row_has_a_field_or_a_reason),
        cmocka_unit_test(every_default_parses_and_prints_back),
        cmocka_unit_test(every_bound_holds),
        cmocka_unit_test(every_later_key_is_refused_unless_default),
        cmocka_unit_test(later_default_may_be_spelt_otherwise),
        cmocka_unit_test(every_required_key_is_missed),
        cmocka_unit_test(nearest_key_is_of_the_same_section),
        cmocka_unit_test(manual_tells_of_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

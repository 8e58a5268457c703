/* SPDX-License-Identifier: MIT */
/* Tests of ctl/callwords: a call's fields are known before anybody is asked. */
#include "ctl/callwords.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fields_are_read_one_by_one(void **state)
{
    (void)state;
    const char *at = "service  name [over]";
    struct callfield field;
    assert_true(callwords_next(&at, &field));
    assert_string_equal(field.name, "service");
    assert_false(field.is_optional);
    assert_true(callwords_next(&at, &field));
    assert_string_equal(field.name, "name");
    assert_true(callwords_next(&at, &field));
    assert_string_equal(field.name, "over");
    assert_true(field.is_optional);
    assert_false(callwords_next(&at, &field));
    assert_false(callwords_next(&at, &field));
}

static void a_value_is_found_by_its_whole_name(void **state)
{
    (void)state;
    char *words[] = {"names=a", "nam=b", "name=c=d", "over="};
    assert_string_equal(callwords_value(words, 4, "name"), "c=d");
    assert_string_equal(callwords_value(words, 4, "over"), "");
    assert_null(callwords_value(words, 4, "service"));
    assert_null(callwords_value(words, 0, "names"));
}

/* NULL: fine; else what is said. */
static void check_says(const char *call, char *const *words, size_t n, const char *said)
{
    struct text why = {0};
    bool is_right = callwords_check(callwords_find(call), words, n, &why);
    assert_int_equal(is_right, said == NULL);
    if (said != NULL)
        assert_non_null(strstr(why.at, said));
    text_fini(&why);
}

static void what_is_missing_or_unknown_is_told(void **state)
{
    (void)state;
    char *words[] = {"service=web", "group=main", "name=a", "over=5s"};
    char *typo[] = {"service=web", "group=main", "nmae=a"};
    char *other[] = {"x=1"};
    check_says("hostDrain", words, 4, NULL);
    check_says("hostDrain", words, 3, NULL);
    check_says("hostDrain", words, 2, "needs name=");
    check_says("hostAdminDown", words, 4, "takes no field 'over'");
    check_says("hostDrain", typo, 3, "did you mean 'name'?");
    check_says("reload", other, 1, "takes no field 'x', nor any other");
    check_says("reload", other, 0, NULL);
}

static void every_call_is_right_with_all_its_fields(void **state)
{
    (void)state;
    size_t n;
    const struct callword *calls = callwords_all(&n);
    assert_true(n > 10);
    assert_null(callwords_find("nosuch"));
    for (size_t i = 0; i < n; i++) {
        char bytes[16][40], *words[16];
        const char *at = calls[i].fields;
        struct callfield field;
        size_t fields = 0;
        while (callwords_next(&at, &field)) {
            assert_true(fields < 16);
            snprintf(bytes[fields], sizeof bytes[fields], "%s=x", field.name);
            words[fields] = bytes[fields];
            fields++;
        }
        assert_ptr_equal(callwords_find(calls[i].word), &calls[i]);
        assert_true(calls[i].says[0] != '\0');
        check_says(calls[i].word, words, fields, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_one_by_one),
        cmocka_unit_test(a_value_is_found_by_its_whole_name),
        cmocka_unit_test(what_is_missing_or_unknown_is_told),
        cmocka_unit_test(every_call_is_right_with_all_its_fields),
    };
    return cmocka_run_group_tests_name("callwords", tests, NULL, NULL);
}

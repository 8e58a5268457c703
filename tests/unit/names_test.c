/* SPDX-License-Identifier: MIT */
/* Promises of conf/names. */
#include "conf/names.h"

#include "conf_fixture.h"

static void finds_what_was_put(void **state)
{
    (void)state;
    struct names names = {0};
    size_t value;
    assert_false(names_find(&names, 0, "a", 1, &value));
    assert_int_equal(names_put(&names, 0, "a", 1, 7, &value), 0);
    assert_int_equal(value, 7);
    assert_true(names_find(&names, 0, "a", 1, &value));
    assert_int_equal(value, 7);
    assert_false(names_find(&names, 0, "b", 1, &value));
    names_fini(&names);
}

static void keeps_the_first_and_tells_of_it(void **state)
{
    (void)state;
    struct names names = {0};
    size_t value;
    names_put(&names, 0, "a", 1, 7, &value);
    names_put(&names, 0, "a", 1, 8, &value);
    assert_int_equal(value, 7);
    assert_int_equal(names.used, 1);
    names_fini(&names);
}

static void keeps_scopes_and_lengths_apart(void **state)
{
    (void)state;
    struct names names = {0};
    size_t value;
    names_put(&names, 1, "ab", 2, 1, &value);
    names_put(&names, 2, "ab", 2, 2, &value);
    assert_int_equal(value, 2);
    names_put(&names, 1, "ab", 1, 3, &value);
    assert_int_equal(value, 3);
    assert_true(names_find(&names, 1, "ab", 2, &value));
    assert_int_equal(value, 1);
    names_fini(&names);
}

static void holds_a_hundred_thousand(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct names names = {0};
    static char keys[N][8];
    size_t value;
    for (size_t i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        assert_int_equal(names_put(&names, 0, keys[i], strlen(keys[i]), i, &value), 0);
        assert_int_equal(value, i);
    }
    for (size_t i = 0; i < N; i++) {
        assert_true(names_find(&names, 0, keys[i], strlen(keys[i]), &value));
        assert_int_equal(value, i);
    }
    names_fini(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(keeps_the_first_and_tells_of_it),
        cmocka_unit_test(keeps_scopes_and_lengths_apart),
        cmocka_unit_test(holds_a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

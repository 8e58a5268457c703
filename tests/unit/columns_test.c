/* SPDX-License-Identifier: MIT */
/* Tests of fixed-width columns. */
#include "admin/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void aligns_left_and_right(void **state)
{
    (void)state;
    struct text table = {0}, out = {0};
    text_add(&table,
             "#kind\tname\t>count\tlast\nhost\ta\t12345\t-\nhost\tlonger\t7\tmany words\n");
    columns_align(&out, &table);
    assert_string_equal(out.at, "#kind  name    count  last\n"
                                "host   a       12345  -\n"
                                "host   longer      7  many words\n");
    text_fini(&table);
    text_fini(&out);
}

static void words_hold_no_blank(void **state)
{
    (void)state;
    struct text table = {0};
    columns_add_word(&table, "");
    text_add(&table, "|");
    columns_add_word(&table, "a b\tc\nd\"\xff");
    assert_string_equal(table.at, "-|a\\x20b\\x09c\\x0ad\\x22\\xff");
    text_fini(&table);
}

static void empty_table_adds_nothing(void **state)
{
    (void)state;
    struct text table = {0}, out = {0};
    text_add(&out, "before");
    columns_align(&out, &table);
    assert_string_equal(out.at, "before");
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_left_and_right),
        cmocka_unit_test(words_hold_no_blank),
        cmocka_unit_test(empty_table_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

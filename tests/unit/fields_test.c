/* SPDX-License-Identifier: MIT */
/* Tests of the fields of a call's body. */
#include "admin/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define JSON "application/json"
#define FORM "application/x-www-form-urlencoded"

static unsigned int parse(struct fields *fields, const char *type, const char *body)
{
    const char *why = NULL;
    unsigned int status = fields_parse(fields, type, body, strlen(body), &why);
    assert_true(status == 0 || why != NULL);
    assert_true(status == 0 || fields->n == 0);
    return status;
}

static void reads_strings_numbers_and_booleans(void **state)
{
    (void)state;
    struct fields fields;
    assert_int_equal(parse(&fields, JSON "; charset=utf-8",
                           "{\"name\":\"a\\u00fcb\",\"weight\":3,\"fast\":true}"),
                     0);
    assert_int_equal(fields.n, 3);
    assert_string_equal(fields_find(&fields, "name"), "a\xc3\xbc"
                                                      "b");
    assert_string_equal(fields_find(&fields, "weight"), "3");
    assert_string_equal(fields_find(&fields, "fast"), "yes");
    assert_null(fields_find(&fields, "Name"));
    fields_fini(&fields);
}

static void reads_forms(void **state)
{
    (void)state;
    struct fields fields;
    assert_int_equal(parse(&fields, FORM, "name=a+b%3D%26&over=&x=1=2"), 0);
    assert_string_equal(fields_find(&fields, "name"), "a b=&");
    assert_string_equal(fields_find(&fields, "over"), "");
    assert_string_equal(fields_find(&fields, "x"), "1=2");
    fields_fini(&fields);
}

static void empty_body_of_any_type_holds_none(void **state)
{
    (void)state;
    struct fields fields;
    assert_int_equal(parse(&fields, NULL, ""), 0);
    assert_int_equal(parse(&fields, "text/plain", ""), 0);
    assert_int_equal(parse(&fields, JSON, "{}"), 0);
    assert_int_equal(fields.n, 0);
}

static void refuses_other_types(void **state)
{
    (void)state;
    struct fields fields;
    assert_int_equal(parse(&fields, NULL, "{}"), 415);
    assert_int_equal(parse(&fields, "text/plain", "{}"), 415);
    assert_int_equal(parse(&fields, "application/jsonx", "{}"), 415);
}

static void refuses_what_two_readers_could_take_differently(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{",
                                         "[]",
                                         "3",
                                         "{} x",
                                         "{\"a\":1,\"a\":2}",
                                         "{\"a\":null}",
                                         "{\"a\":{}}",
                                         "{\"a\":1.5}",
                                         "{\"a\":\"x\\u0000y\"}",
                                         "{\"\":1}",
                                         "{\"a\":\"\xff\"}"};
    struct fields fields;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(parse(&fields, JSON, bodies[i]), 400);
    static const char *const forms[] = {"a",     "a=1&a=2", "=1",       "a=%0",
                                        "a=%zz", "a=%00",   "a=1&&b=2", "a=%"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_int_equal(parse(&fields, FORM, forms[i]), 400);
    const char *why;
    assert_int_equal(fields_parse(&fields, FORM, "a=\0b", 4, &why), 400);
}

static void refuses_too_many(void **state)
{
    (void)state;
    char body[256] = "";
    struct fields fields;
    for (int i = 0; i < FIELDS_MOST; i++)
        sprintf(body + strlen(body), "%sk%d=v", i > 0 ? "&" : "", i);
    assert_int_equal(parse(&fields, FORM, body), 0);
    fields_fini(&fields);
    strcat(body, "&more=v");
    assert_int_equal(parse(&fields, FORM, body), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_strings_numbers_and_booleans),
        cmocka_unit_test(reads_forms),
        cmocka_unit_test(empty_body_of_any_type_holds_none),
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(refuses_what_two_readers_could_take_differently),
        cmocka_unit_test(refuses_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of HTTP Basic authentication. */
#include "admin/basic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void name_and_password_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header, *name, *password;
    } good[] = {
        /* The two of RFC 7617. */
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
        {"Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3"},
        {"basic YTpi", "a", "b"},
        {"BASIC   YTpi", "a", "b"},
        {"Basic YTpiOmM=", "a", "b:c"},
        {"Basic Og==", "", ""},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct basic said;
        assert_true(basic_parse(&said, good[i].header));
        assert_string_equal(said.name, good[i].name);
        assert_string_equal(said.password, good[i].password);
        basic_wipe(&said);
        assert_string_equal(said.password, "");
    }
}

static void anything_else_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        NULL,
        "",
        "Basic",
        "Basic ",
        "Basic YTpi=",
        "Basic YTp",
        "Basic YTp?",
        "Basic YTpi ",
        "Basic =YTp",
        "Basic Y===",
        "Basic YTpiYQ",
        "Basic YWI=",
        "Bearer YTpi",
        "Basic YQA6Yg==",
        "Basic YTpiAA==",
        "Basic YTpiCg==",
        "Basic ====",
        "Basic YT==YTpi",
        "BasicYTpi",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct basic said;
        if (basic_parse(&said, bad[i]))
            fail_msg("'%s' was read", bad[i]);
        assert_string_equal(said.name, "");
    }
}

static void what_is_too_long_is_none(void **state)
{
    (void)state;
    struct basic said;
    char header[4096] = "Basic ";
    for (int i = 0; i < 500; i++)
        strcat(header, "YTpi");
    assert_false(basic_parse(&said, header));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_and_password_are_read),
        cmocka_unit_test(anything_else_is_none),
        cmocka_unit_test(what_is_too_long_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

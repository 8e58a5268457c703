/* SPDX-License-Identifier: MIT */
/* Tests of numbers and times for people. */
#include "admin/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N "\xe2\x80\xaf" /* narrow no-break space */

static void expect(struct text *text, const char *wanted)
{
    assert_string_equal(text->at, wanted);
    text_clear(text);
}

static void groups_digits_by_three(void **state)
{
    (void)state;
    struct text text = {0};
    show_count(&text, 0);
    expect(&text, "0");
    show_count(&text, 999);
    expect(&text, "999");
    show_count(&text, 1000);
    expect(&text, "1" N "000");
    show_count(&text, UINT64_MAX);
    expect(&text, "18" N "446" N "744" N "073" N "709" N "551" N "615");
    text_fini(&text);
}

static void shows_bytes_with_three_digits_at_most(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *wanted;
    } cases[] = {{0, "0 B"},
                 {999, "999 B"},
                 {1000, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {10188, "9.9 KiB"},
                 {10240, "10 KiB"},
                 {1022000, "998 KiB"},
                 {1048576, "1.0 MiB"},
                 {UINT64_C(1) << 40, "1.0 TiB"},
                 {UINT64_MAX, "16 EiB"}};
    struct text text = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        show_bytes(&text, cases[i].bytes);
        expect(&text, cases[i].wanted);
    }
    text_fini(&text);
}

static void shows_two_units_of_time(void **state)
{
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *wanted;
    } cases[] = {{0, "0 s"},    {59, "59 s"},        {60, "1 min"},  {3599, "59 min"},
                 {3600, "1 h"}, {7500, "2 h 5 min"}, {86400, "1 d"}, {86400 + 3600, "1 d 1 h"}};
    struct text text = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        show_duration(&text, cases[i].seconds);
        expect(&text, cases[i].wanted);
    }
    text_fini(&text);
}

static void shows_time_to_the_second(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, "");
    show_time(&text, 0);
    expect(&text, "");
    show_time(&text, INT64_C(1795330800) * 1000000000 + 999999999);
    expect(&text, "2026-11-22T07:00:00Z");
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_digits_by_three),
        cmocka_unit_test(shows_bytes_with_three_digits_at_most),
        cmocka_unit_test(shows_two_units_of_time),
        cmocka_unit_test(shows_time_to_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of base/clock. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void never_goes_backwards(void **state)
{
    (void)state;
    uint64_t first_ns = clock_now_ns(), before_ns = first_ns;
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = clock_now_ns();
        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
    assert_true(before_ns > first_ns);
}

static void agrees_with_the_monotonic_clock(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t now_ns = clock_now_ns();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now_ns >= (uint64_t)before.tv_sec * 1000000000u + (uint64_t)before.tv_nsec);
    assert_true(now_ns <= (uint64_t)after.tv_sec * 1000000000u + (uint64_t)after.tv_nsec);
}

static void agrees_with_the_wall_clock(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now_ns = clock_wall_ns();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now_ns >= (int64_t)before.tv_sec * 1000000000 + before.tv_nsec);
    assert_true(now_ns <= (int64_t)after.tv_sec * 1000000000 + after.tv_nsec);
}

static void prints_known_moments(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999999, "1970-01-01T00:00:00.000Z"},
        {1000000, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000000000, "2000-02-29T00:00:00.000Z"},
        {951868799999999999, "2000-02-29T23:59:59.999Z"},
        {951868800000000000, "2000-03-01T00:00:00.000Z"},
        {1795330800123000000, "2026-11-22T07:00:00.123Z"},
        {4107542399000000000, "2100-02-28T23:59:59.000Z"},
        {4107542400000000000, "2100-03-01T00:00:00.000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_TEXT_BYTES];
        clock_print_utc(text, cases[i].wall_ns);
        assert_string_equal(text, cases[i].text);
    }
}

static void prints_every_day_as_the_c_library_does(void **state)
{
    (void)state;
    for (int64_t day = -100000; day <= 100000; day++) {
        time_t seconds = day * 86400 + 45296; /* 12:34:56 */
        struct tm tm;
        char text[CLOCK_TEXT_BYTES], expected[64];
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        clock_print_utc(text, seconds * 1000000000 + 7000000);
        assert_string_equal(text, expected);
    }
}

static void text_does_not_depend_on_the_time_zone(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_BYTES];
    setenv("TZ", "Asia/Kathmandu", 1);
    tzset();
    clock_print_utc(text, 1795330800123000000);
    unsetenv("TZ");
    tzset();
    assert_string_equal(text, "2026-11-22T07:00:00.123Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_goes_backwards),
        cmocka_unit_test(agrees_with_the_monotonic_clock),
        cmocka_unit_test(agrees_with_the_wall_clock),
        cmocka_unit_test(prints_known_moments),
        cmocka_unit_test(prints_every_day_as_the_c_library_does),
        cmocka_unit_test(text_does_not_depend_on_the_time_zone),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}

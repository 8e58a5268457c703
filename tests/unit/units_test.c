/* SPDX-License-Identifier: MIT */
/* Tests of base/units. */
#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED INT64_C(-4711)
#define THIRTY_DIGITS "999999999999999999999999999999"

typedef int parser(const char *text, int64_t *out);

static void must_parse(parser *parse, const char *text, int64_t value)
{
    int64_t out = UNTOUCHED;
    if (parse(text, &out) != 0 || out != value)
        fail_msg("\"%s\": got %lld", text, (long long)out);
}

static void must_refuse(parser *parse, const char *text, int error)
{
    int64_t out = UNTOUCHED;
    errno = 0;
    if (parse(text, &out) != -1 || errno != error || out != UNTOUCHED)
        fail_msg("\"%s\": got %lld, errno %d", text, (long long)out, errno);
}

/* What no parser may take, whatever its unit. */
static const char *const never_numbers[] = {
    "",    "abc", "-1",   "+1",   "1e3", "0x10", "010", "1.5", "NaN", "nan", "inf",  " 1",
    "1 ",  "1\n", "\t1",  "--1",  "1-",  "1,5",  "1_0", "0b1", "00",  "0x",  "'1'",  ".5",
    "5.",  "١",   "1k1",  "1s1s", "/s",  "%",    "s",   "ms",  "k",   "-0",  "1 s",  "1 k",
    "1 %", "1/",  "1//s", "1/d",  "1%%", "1KB",  "1M",  "1G",  "1S",  "1ss", "1 ms", "1msx",
};

static void no_parser_takes_malformed_numbers(void **state)
{
    (void)state;
    static parser *const parsers[] = {units_parse_duration, units_parse_size, units_parse_rate,
                                      units_parse_percent, units_parse_number};
    for (size_t p = 0; p < sizeof parsers / sizeof *parsers; p++) {
        for (size_t i = 0; i < sizeof never_numbers / sizeof *never_numbers; i++)
            must_refuse(parsers[p], never_numbers[i], EINVAL);
    }
}

static void no_unit_takes_a_leading_zero(void **state)
{
    (void)state;
    must_refuse(units_parse_duration, "010s", EINVAL);
    must_refuse(units_parse_size, "010k", EINVAL);
    must_refuse(units_parse_rate, "010/s", EINVAL);
    must_refuse(units_parse_percent, "050%", EINVAL);
}

static void parses_bare_number_as_seconds(void **state)
{
    (void)state;
    must_parse(units_parse_duration, "0", 0);
    must_parse(units_parse_duration, "1", 1000);
    must_parse(units_parse_duration, "90", 90000);
}

static void parses_each_unit_of_a_duration(void **state)
{
    (void)state;
    must_parse(units_parse_duration, "250ms", 250);
    must_parse(units_parse_duration, "30s", 30000);
    must_parse(units_parse_duration, "5m", 300000);
    must_parse(units_parse_duration, "1h", 3600000);
    must_parse(units_parse_duration, "7d", 604800000);
    must_parse(units_parse_duration, "0ms", 0);
    must_refuse(units_parse_duration, "10x", EINVAL);
    must_refuse(units_parse_duration, "1k", EINVAL);
    must_refuse(units_parse_duration, "1h30m", EINVAL);
}

static void durations_end_where_the_type_does(void **state)
{
    (void)state;
    must_parse(units_parse_duration, "9223372036854775807ms", INT64_MAX);
    must_refuse(units_parse_duration, "9223372036854775808ms", ERANGE);
    must_parse(units_parse_duration, "9223372036854775", INT64_C(9223372036854775000));
    must_refuse(units_parse_duration, "9223372036854776", ERANGE);
    must_parse(units_parse_duration, "106751991167d", INT64_C(9223372036828800000));
    must_refuse(units_parse_duration, "106751991168d", ERANGE);
    must_refuse(units_parse_duration, THIRTY_DIGITS "d", ERANGE);
    must_refuse(units_parse_duration, THIRTY_DIGITS "x", EINVAL);
}

static void parses_sizes_by_1024(void **state)
{
    (void)state;
    must_parse(units_parse_size, "0", 0);
    must_parse(units_parse_size, "1000", 1000);
    must_parse(units_parse_size, "64k", 65536);
    must_parse(units_parse_size, "16m", 16777216);
    must_parse(units_parse_size, "1g", 1073741824);
    must_parse(units_parse_size, "2147483648", INT64_C(2147483648));
    must_parse(units_parse_size, "8589934591g", INT64_C(9223372035781033984));
    must_refuse(units_parse_size, "8589934592g", ERANGE);
    must_refuse(units_parse_size, "9223372036854775808", ERANGE);
    must_refuse(units_parse_size, "1t", EINVAL);
    must_refuse(units_parse_size, "1K", EINVAL);
    must_refuse(units_parse_size, "1kb", EINVAL);
    must_refuse(units_parse_size, "1s", EINVAL);
}

static void parses_rates_as_events_per_hour(void **state)
{
    (void)state;
    must_parse(units_parse_rate, "0", 0);
    must_parse(units_parse_rate, "0/s", 0);
    must_parse(units_parse_rate, "100/s", 360000);
    must_parse(units_parse_rate, "3000/m", 180000);
    must_parse(units_parse_rate, "7/h", 7);
    must_parse(units_parse_rate, "9223372036854775807/h", INT64_MAX);
    must_refuse(units_parse_rate, "9223372036854775807/m", ERANGE);
    must_refuse(units_parse_rate, "5", EINVAL);
    must_refuse(units_parse_rate, "5s", EINVAL);
    must_refuse(units_parse_rate, "5/ms", EINVAL);
}

static void parses_percentages_up_to_100(void **state)
{
    (void)state;
    must_parse(units_parse_percent, "0%", 0);
    must_parse(units_parse_percent, "50%", 50);
    must_parse(units_parse_percent, "100%", 100);
    must_refuse(units_parse_percent, "101%", ERANGE);
    must_refuse(units_parse_percent, THIRTY_DIGITS "%", ERANGE);
    must_refuse(units_parse_percent, "50", EINVAL);
    must_refuse(units_parse_percent, "0.5%", EINVAL);
}

static void parses_the_eight_words_of_a_bool(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        bool out = false;
        assert_int_equal(units_parse_bool(yes[i], &out), 0);
        assert_true(out);
        assert_int_equal(units_parse_bool(no[i], &out), 0);
        assert_false(out);
    }
    static const char *const neither[] = {"", "YES", "Yes", "y", "n", "yes ", "2", "01", "-1"};
    for (size_t i = 0; i < sizeof neither / sizeof *neither; i++) {
        bool out = true;
        errno = 0;
        assert_int_equal(units_parse_bool(neither[i], &out), -1);
        assert_int_equal(errno, EINVAL);
        assert_true(out);
    }
}

static void parses_whole_numbers_up_to_the_type(void **state)
{
    (void)state;
    must_parse(units_parse_number, "0", 0);
    must_parse(units_parse_number, "10", 10);
    must_parse(units_parse_number, "2147483647", INT64_C(2147483647));
    must_parse(units_parse_number, "2147483648", INT64_C(2147483648));
    must_parse(units_parse_number, "4294967296", INT64_C(4294967296));
    must_parse(units_parse_number, "9223372036854775807", INT64_MAX);
    must_refuse(units_parse_number, "9223372036854775808", ERANGE);
    must_refuse(units_parse_number, "18446744073709551616", ERANGE);
    must_refuse(units_parse_number, THIRTY_DIGITS, ERANGE);
    must_refuse(units_parse_number, "10x", EINVAL);
    must_refuse(units_parse_number, "1s", EINVAL);
}

static void prints_the_largest_unit_that_is_exact(void **state)
{
    (void)state;
    char out[UNITS_TEXT_BYTES];
    assert_string_equal(units_print_duration(out, 0), "0");
    assert_string_equal(units_print_duration(out, 250), "250ms");
    assert_string_equal(units_print_duration(out, 1500), "1500ms");
    assert_string_equal(units_print_duration(out, 30000), "30s");
    assert_string_equal(units_print_duration(out, 90000), "90s");
    assert_string_equal(units_print_duration(out, 300000), "5m");
    assert_string_equal(units_print_duration(out, 129600000), "36h");
    assert_string_equal(units_print_duration(out, 604800000), "7d");
    assert_string_equal(units_print_duration(out, INT64_MAX), "9223372036854775807ms");
    assert_string_equal(units_print_size(out, 0), "0");
    assert_string_equal(units_print_size(out, 1000), "1000");
    assert_string_equal(units_print_size(out, 65536), "64k");
    assert_string_equal(units_print_size(out, 1536), "1536");
    assert_string_equal(units_print_size(out, 16777216), "16m");
    assert_string_equal(units_print_size(out, 1073741824), "1g");
    assert_string_equal(units_print_rate(out, 0, 0), "0");
    assert_string_equal(units_print_rate(out, 7, 7), "7/h");
    assert_string_equal(units_print_rate(out, 180000, 50), "50/s");
    assert_string_equal(units_print_rate(out, 180000, 3000), "3000/m");
    assert_string_equal(units_print_rate(out, 180060, 3001), "3001/m");
    assert_string_equal(units_print_rate(out, INT64_MAX, INT64_MAX), "9223372036854775807/h");
}

static void printed_values_parse_back(void **state)
{
    (void)state;
    char out[UNITS_TEXT_BYTES];
    for (int64_t value = 0; value < INT64_MAX / 60; value = value * 3 + 17) {
        for (int64_t factor = 1; factor <= 60000; factor *= 10) {
            int64_t scaled = value / factor * factor;
            must_parse(units_parse_duration, units_print_duration(out, scaled), scaled);
            must_parse(units_parse_size, units_print_size(out, scaled), scaled);
            must_parse(units_parse_rate, units_print_rate(out, scaled, scaled), scaled);
            must_parse(units_parse_rate, units_print_rate(out, value / 7 * 60, value / 7),
                       value / 7 * 60);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_parser_takes_malformed_numbers),
        cmocka_unit_test(no_unit_takes_a_leading_zero),
        cmocka_unit_test(parses_bare_number_as_seconds),
        cmocka_unit_test(parses_each_unit_of_a_duration),
        cmocka_unit_test(durations_end_where_the_type_does),
        cmocka_unit_test(parses_sizes_by_1024),
        cmocka_unit_test(parses_rates_as_events_per_hour),
        cmocka_unit_test(parses_percentages_up_to_100),
        cmocka_unit_test(parses_the_eight_words_of_a_bool),
        cmocka_unit_test(parses_whole_numbers_up_to_the_type),
        cmocka_unit_test(prints_the_largest_unit_that_is_exact),
        cmocka_unit_test(printed_values_parse_back),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}

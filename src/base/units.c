/* SPDX-License-Identifier: MIT */
/* Durations, sizes, rates, percentages, whole numbers: text to number, number to text. */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Largest first: printers take the first that divides the value. */
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit size_units[] = {{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}};
static const struct unit rate_units[] = {{"/s", 3600}, {"/m", 60}, {"/h", 1}};

#define N_UNITS(table) (sizeof(table) / sizeof *(table))

static int refuse(int error)
{
    errno = error;
    return -1;
}

/*
 * Reads decimal digits; "0" is the only number that may start with a zero.
 * Returns what follows them, or NULL when there are none such. *too_large tells that the
 * number passes INT64_MAX: an error of its own only if the rest is well formed.
 */
static const char *scan_digits(const char *text, int64_t *number, bool *too_large)
{
    if (text[0] < '0' || text[0] > '9')
        return NULL;
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
        return NULL;
    *number = 0;
    *too_large = false;
    for (; *text >= '0' && *text <= '9'; text++) {
        int digit = *text - '0';
        if (*number > (INT64_MAX - digit) / 10)
            *too_large = true;
        else
            *number = *number * 10 + digit;
    }
    return text;
}

/* A number with one of n suffixes; bare_factor is what one counts without any, 0 = refused. */
static int parse_with_units(const char *text, const struct unit *units, size_t n,
                            int64_t bare_factor, int64_t *out)
{
    int64_t number;
    bool too_large;
    const char *suffix = scan_digits(text, &number, &too_large);
    if (suffix == NULL)
        return refuse(EINVAL);
    int64_t factor = *suffix == '\0' ? bare_factor : 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(suffix, units[i].suffix) == 0)
            factor = units[i].factor;
    }
    if (factor == 0)
        return refuse(EINVAL);
    if (too_large || number > INT64_MAX / factor)
        return refuse(ERANGE);
    *out = number * factor;
    return 0;
}

static const char *print_with_units(char out[UNITS_TEXT_BYTES], const struct unit *units,
                                    size_t n, int64_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            snprintf(out, UNITS_TEXT_BYTES, "%" PRId64 "%s", value / units[i].factor,
                     units[i].suffix);
            return out;
        }
    }
    snprintf(out, UNITS_TEXT_BYTES, "%" PRId64, value);
    return out;
}

int units_parse_duration(const char *text, int64_t *out_ms)
{
    return parse_with_units(text, duration_units, N_UNITS(duration_units), 1000, out_ms);
}

int units_parse_size(const char *text, int64_t *out_bytes)
{
    return parse_with_units(text, size_units, N_UNITS(size_units), 1, out_bytes);
}

int units_parse_rate(const char *text, int64_t *out_per_hour)
{
    if (strcmp(text, "0") == 0) {
        *out_per_hour = 0;
        return 0;
    }
    return parse_with_units(text, rate_units, N_UNITS(rate_units), 0, out_per_hour);
}

int units_parse_percent(const char *text, int64_t *out_percent)
{
    static const struct unit percent = {"%", 1};
    int64_t value;
    if (parse_with_units(text, &percent, 1, 0, &value) < 0)
        return -1;
    if (value > 100)
        return refuse(ERANGE);
    *out_percent = value;
    return 0;
}

int units_parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < N_UNITS(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return refuse(EINVAL);
}

int units_parse_number(const char *text, int64_t *out)
{
    return parse_with_units(text, NULL, 0, 1, out);
}

const char *units_print_duration(char out[UNITS_TEXT_BYTES], int64_t ms)
{
    return print_with_units(out, duration_units, N_UNITS(duration_units), ms);
}

const char *units_print_size(char out[UNITS_TEXT_BYTES], int64_t bytes)
{
    return print_with_units(out, size_units, N_UNITS(size_units), bytes);
}

const char *units_print_rate(char out[UNITS_TEXT_BYTES], int64_t per_hour, int64_t events)
{
    for (size_t i = 0; i < N_UNITS(rate_units); i++)
        if (events != 0 && per_hour / events == rate_units[i].factor) {
            snprintf(out, UNITS_TEXT_BYTES, "%" PRId64 "%s", events, rate_units[i].suffix);
            return out;
        }
    snprintf(out, UNITS_TEXT_BYTES, "0");
    return out;
}

/* SPDX-License-Identifier: MIT */
/* Time: monotonic nanoseconds for every limit, wall-clock text for people. */
#include "base/clock.h"

#include <time.h>

#define MS_PER_DAY INT64_C(86400000)
#define DAYS_PER_ERA 146097 /* 400 years of the Gregorian calendar */

struct civil_date {
    int64_t year;
    int month, day; /* from 1 */
};

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * (int64_t)CLOCK_NS_PER_S + now.tv_nsec;
}

/* Quotient rounded down, also for negative numbers: times before 1970. */
static int64_t divide_down(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

/*
 * The date so many days after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
 * algorithms", civil_from_days). gmtime_r would take the C library's time zone lock, which a
 * process that was forked or stopped in the wrong place may hold for ever.
 */
static struct civil_date date_of_day(int64_t day_number)
{
    int64_t days = day_number + 719468; /* from 0000-03-01: leap days come last in a year */
    int64_t era = divide_down(days, DAYS_PER_ERA);
    int64_t day_of_era = days - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    return (struct civil_date){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1),
    };
}

/* Writes number with so many digits, zeros in front; returns what follows them. */
static char *put_digits(char *at, int64_t number, int n_digits)
{
    for (int i = n_digits - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + n_digits;
}

void clock_print_utc(char out[CLOCK_TEXT_BYTES], int64_t wall_ns)
{
    int64_t wall_ms = divide_down(wall_ns, (int64_t)CLOCK_NS_PER_MS);
    int64_t day_number = divide_down(wall_ms, MS_PER_DAY);
    int64_t ms = wall_ms - day_number * MS_PER_DAY;
    struct civil_date date = date_of_day(day_number);
    char *at = put_digits(out, date.year, 4); /* int64_t nanoseconds reach from 1677 to 2262 */
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, ms / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, ms / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, ms / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, ms % 1000, 3);
    *at++ = 'Z';
    *at = '\0';
}

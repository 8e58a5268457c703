/* SPDX-License-Identifier: MIT */
/* Durations, sizes, rates, percentages, whole numbers: text to number, number to text. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT_BYTES 32 /* room for any printed value and its NUL */

/*
 * All parsers take a NUL-terminated text that must be used up whole (no blanks, no sign,
 * decimal digits only, no leading "0x"), and return 0, or -1 with errno EINVAL (not such a
 * value) or ERANGE (too large for the type); *out is then untouched.
 */

/* "250ms" "30s" "5m" "1h" "7d"; a bare number is seconds. Result in milliseconds. */
int units_parse_duration(const char *text, int64_t *out_ms);

/* "64k" "16m" "1g" (1024-based); bare is bytes. */
int units_parse_size(const char *text, int64_t *out_bytes);

/* "100/s" "3000/m" "7/h"; "0" is no rate. Result in events per hour, so that /m and /h stay exact. */
int units_parse_rate(const char *text, int64_t *out_per_hour);

/* "50%", 0 to 100. */
int units_parse_percent(const char *text, int64_t *out_percent);

/* yes no true false on off 1 0, in lower case. */
int units_parse_bool(const char *text, bool *out);

/* A whole number >= 0. "010" is refused, here and before any unit, since people disagree whether it is eight. */
int units_parse_number(const char *text, int64_t *out);

/*
 * Printers write the shortest text that parses back to the same value ("5m", not "300s"; a
 * duration keeps its unit: "30s", not "30"; zero is "0"), NUL-terminated, and return out.
 */
const char *units_print_duration(char out[UNITS_TEXT_BYTES], int64_t ms);
const char *units_print_size(char out[UNITS_TEXT_BYTES], int64_t bytes);
/* events: the number it is written with, as 3000 of 3000/m: per_hour is 1, 60 or 3600 times as many. */
const char *units_print_rate(char out[UNITS_TEXT_BYTES], int64_t per_hour, int64_t events);

#endif

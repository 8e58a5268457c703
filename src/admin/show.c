/* SPDX-License-Identifier: MIT */
/* Prints numbers and strings as people and parsers like to read them. */
#include "admin/show.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define NARROW_SPACE "\xe2\x80\xaf" /* U+202F, a no-break space */

/* Continuation bytes that a UTF-8 sequence must have after its first byte; -1 = no such first byte. */
static int utf8_rest(unsigned char first)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef)
        return 2;
    if (first >= 0xf0 && first <= 0xf4)
        return 3;
    return -1;
}

/*
 * Length of the well-formed UTF-8 sequence at bytes, 0 when there is none. Overlong forms,
 * surrogates and what lies beyond U+10FFFF show in the second byte (Unicode 15, table 3-7).
 */
static size_t utf8_length(const unsigned char *bytes)
{
    int rest = utf8_rest(bytes[0]);
    if (rest < 0)
        return 0;
    for (int i = 1; i <= rest; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0; /* a NUL ends the search too */
    }
    if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
        (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return (size_t)rest + 1;
}

/* Bytes that a JSON string may hold as they are, from at on. */
static size_t plain_length(const unsigned char *at)
{
    size_t length = 0;
    while (at[length] >= 0x20 && at[length] < 0x7f && at[length] != '"' && at[length] != '\\' &&
           at[length] != '<' && at[length] != '>' && at[length] != '&')
        length++;
    return length;
}

void show_json_string(struct text *out, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    text_append(out, "\"", 1);
    for (;;) {
        size_t length = plain_length(at);
        text_append(out, at, length);
        at += length;
        if (*at == '\0')
            break;
        length = utf8_length(at);
        if (length == 0)
            text_add(out, "\\ufffd");
        else if (length == 1)
            text_printf(out, "\\u%04x", *at);
        else
            text_append(out, at, length);
        at += length > 0 ? length : 1;
    }
    text_append(out, "\"", 1);
}

void show_count(struct text *out, uint64_t count)
{
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text_add(out, NARROW_SPACE);
        text_append(out, &digits[i], 1);
    }
}

void show_bytes(struct text *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    /* 999.5 and more would be printed with four digits. */
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    text_printf(out, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* "2 h 5 min", or "2 h" when nothing is left. */
static void show_two(struct text *out, uint64_t first, const char *word, uint64_t rest,
                     const char *next_word)
{
    text_printf(out, "%" PRIu64 " %s", first, word);
    if (rest > 0)
        text_printf(out, " %" PRIu64 " %s", rest, next_word);
}

void show_duration(struct text *out, uint64_t seconds)
{
    uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (days > 0)
        show_two(out, days, "d", hours % 24, "h");
    else if (hours > 0)
        show_two(out, hours, "h", minutes % 60, "min");
    else if (minutes > 0)
        text_printf(out, "%" PRIu64 " min", minutes);
    else
        text_printf(out, "%" PRIu64 " s", seconds);
}

void show_time(struct text *out, int64_t wall_ns)
{
    if (wall_ns == 0)
        return;
    char time[CLOCK_TEXT_BYTES];
    clock_print_utc(time, wall_ns);
    const size_t to_seconds = sizeof "2026-11-22T07:00:00" - 1;
    text_append(out, time, to_seconds);
    text_add(out, "Z");
}

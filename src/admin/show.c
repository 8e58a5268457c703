/* SPDX-License-Identifier: MIT */
/* Prints numbers and times as people like to read them. */
#include "admin/show.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define NARROW_SPACE "\xe2\x80\xaf" /* U+202F, a no-break space */

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

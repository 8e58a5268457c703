/* SPDX-License-Identifier: MIT */
/* Time: monotonic nanoseconds for every limit, wall-clock text for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_TEXT_BYTES 32 /* room for clock_print_utc's text and its NUL */

/*
 * Nanoseconds on CLOCK_MONOTONIC. 64 bits last 584 years: nothing wraps.
 * Costs a vDSO call; a loop reads it once a turn and hands the value on.
 */
uint64_t clock_now_ns(void);

/* Nanoseconds since 1970 on the wall clock; only for showing to people. */
int64_t clock_wall_ns(void);

/*
 * Writes wall_ns as "2026-11-22T07:00:00.123Z" (UTC, milliseconds), NUL-terminated.
 * Independent of TZ and locale; takes no lock.
 */
void clock_print_utc(char out[CLOCK_TEXT_BYTES], int64_t wall_ns);

#endif

/* SPDX-License-Identifier: MIT */
/* Numbers and times as people like to read them. */
#ifndef ADMIN_SHOW_H
#define ADMIN_SHOW_H

#include <stdint.h>

#include "base/text.h"

/* 1234567 as "1 234 567", with narrow no-break spaces. */
void show_count(struct text *out, uint64_t count);

/* 0 B, 999 B, 1.5 KiB, 12 MiB: three digits at most and a unit of 1024s. */
void show_bytes(struct text *out, uint64_t bytes);

/* "5 s", "3 min", "2 h 5 min", "4 d 3 h": two units at most. */
void show_duration(struct text *out, uint64_t seconds);

/* "2026-11-22T07:00:00Z"; nothing for 0, which means not known. */
void show_time(struct text *out, int64_t wall_ns);

#endif

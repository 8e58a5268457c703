/* SPDX-License-Identifier: MIT */
/* What one result of a check makes of a host's row: runs of results, rise, fall, the stretched interval. */
#ifndef DIRECTOR_VERDICT_H
#define DIRECTOR_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "share/hosts.h"

#define STRETCH_MOST 10 /* times check_interval, at most */

/* Results in a row that it takes, each above 0. */
struct verdict_rules {
    uint32_t rise, fall;
};

/* Counts the result; the health it asks for. The row's health is read, not written. */
enum host_health verdict_note(struct host_row *row, const struct verdict_rules *rules,
                              bool is_good);

/* What clients have seen of the host since the last check. */
struct verdict_clients {
    bool has_success, has_fault;
};

/*
 * The next interval, in times of check_interval: doubled while all is well and clients
 * themselves show that it is, else 1. Written to the row; call it after verdict_note.
 */
uint32_t verdict_stretch(struct host_row *row, const struct verdict_clients *clients);

/* How a group fares, as pick sees it. */
enum group_fare {
    GROUP_FINE,
    GROUP_OPEN, /* so few hosts are usable that all are tried (fail_open) */
    GROUP_EMPTY /* no usable host, and no fail_open */
};

/*
 * n_usable           hosts that get new connections
 * n_possible         hosts that would, were they all healthy
 * fail_open_percent  0 = never
 */
enum group_fare verdict_group(uint32_t n_usable, uint32_t n_possible,
                              int64_t fail_open_percent);

#endif

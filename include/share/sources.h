/* SPDX-License-Identifier: MIT */
/* Connections now and their rate by source, exact over all workers. */
#ifndef SHARE_SOURCES_H
#define SHARE_SOURCES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct segment;

#define SOURCE_WAYS 15
#define SOURCE_DEFAULT 100000

/*
 * A source of one service. Free to be taken by another when it counts nothing: no connection, and
 * the rate has recovered. A bucket all of whose places count something refuses new sources: a
 * flood of addresses must not lift the limit of those that are counted.
 */
struct source_entry {
    _Atomic uint64_t word; /* from the top: fingerprint of service and source (0 = none yet),
                              version, connections now; see sources.c */
    _Atomic uint64_t
        due_ns; /* rate: when the next connection would be due were they evenly spaced (GCRA's TAT) */
};

/* The places that one key may lie in. */
struct source_bucket {
    _Alignas(64) _Atomic uint64_t
        claim; /* which place is going to which fingerprint just now; see sources.c */
    _Atomic uint64_t now_ns; /* the latest time that anybody here went by */
    struct source_entry entries[SOURCE_WAYS];
};

struct source_limits {
    int64_t most_open;     /* 0 = no limit */
    int64_t rate_per_hour; /* 0 = no limit */
    int64_t
        burst; /* connections that may come at once when none came for long: what the rate names (100/s: 100) */
};

enum source_verdict { SOURCE_ENTERED, SOURCE_TOO_MANY, SOURCE_TOO_FAST, SOURCE_NO_ROOM };

/* As stick_key, for a service. */
uint64_t source_key(const struct segment *segment, uint32_t service, const struct addr *client,
                    int inet_bits, int inet6_bits);

/*
 * Counts a new connection unless a limit forbids it.
 * now_ns     monotonic; workers' times may differ: none is taken for earlier than one used before
 * entry_out  what live_row.source is set to next, and source_leave is given; above 0; untouched unless
 *            SOURCE_ENTERED is returned
 * Generic cell rate algorithm (ITU-T I.371) for the rate, compare-and-swap for the count: exact.
 * What is refused counts for nothing. A source counts up to 4,194,303 connections.
 */
enum source_verdict source_enter(const struct segment *segment, uint64_t key,
                                 const struct source_limits *limits, uint64_t now_ns,
                                 uint32_t *entry_out);

/* The connection has ended; live_row.source was cleared before. */
void source_leave(const struct segment *segment, uint32_t entry);

/* For the audit: lowers an entry's connections by so many, never below 0. */
void source_lower(const struct segment *segment, uint32_t entry, int64_t by);

/*
 * For the audit: connections now.
 * word_out  moves with whatever happens to the entry
 */
int64_t source_open(const struct segment *segment, uint32_t entry, uint64_t *word_out);

/* A walk over all entries that count connections, where the table is in use. Zero begins it. */
struct source_walk {
    uint32_t entry; /* the last one found */
    size_t end;     /* the table is in use up to there */
};

/* The next entry, or 0 when there is no more. */
uint32_t source_next(const struct segment *segment, struct source_walk *walk);

#endif

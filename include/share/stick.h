/* SPDX-License-Identifier: MIT */
/* The stick table: which host a client was sent to, for how long that counts. */
#ifndef SHARE_STICK_H
#define SHARE_STICK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

struct segment;

#define STICK_WAYS 8 /* places one key may lie in: the oldest of them makes room */
#define STICK_DEFAULT 100000

/*
 * Two words. key is a fingerprint of group and client, its highest bit set; 0 = free; else it
 * tells since when somebody has been writing here. value holds host row, the low bits of its
 * incarnation and the expiry; 0 = never written.
 */
struct stick_entry {
    _Atomic uint64_t key, value;
};

/*
 * The key of a client (its prefix counts, see struct model_prefixes) in a group; never 0. All
 * clients that have no IP address are one.
 */
uint64_t stick_key(const struct segment *segment, uint32_t group, const struct addr *client,
                   int inet_bits, int inet6_bits);

/*
 * The host a client was sent to last, if that is not longer ago than it counts, and the row still
 * belongs to the same host.
 */
bool stick_find(const struct segment *segment, uint64_t key, uint64_t now_ns,
                uint32_t *host_out);

/*
 * Remembers the host for duration_ms from now on (the time starts anew with each connection).
 * Where others are writing to all of the key's places just now, nothing is remembered.
 */
void stick_put(const struct segment *segment, uint64_t key, uint32_t host, uint64_t now_ns,
               int64_t duration_ms);

/* Entries that count now; walks the part of the table that is in use (for showing and tests). */
uint64_t stick_count(const struct segment *segment, uint64_t now_ns);

#endif

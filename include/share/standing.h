/* SPDX-License-Identifier: MIT */
/* What OCSP responders have said about clients' certificates: the director writes it, workers read it. */
#ifndef SHARE_STANDING_H
#define SHARE_STANDING_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    STANDING_WAYS = 4,
    STANDINGS_MOST = 16384, /* of the whole daemon; the oldest of a key's bucket goes first */
    STANDING_KEY_BYTES = 32
};

/* Whether a certificate stands. */
enum standing {
    STANDING_UNASKED, /* or what was said is too old, or was forgotten for another's sake */
    STANDING_GOOD,
    STANDING_REVOKED,
    STANDING_UNANSWERED /* it was asked for, and nothing came that tells */
};

/*
 * Zero is a free one. It is written and read without a lock: the check holds the parts of one together, so that who
 * looks while it is written, or after two have written at a time, finds nothing rather than another's standing.
 */
struct standing_row {
    _Atomic uint64_t key[STANDING_KEY_BYTES / 8];
    _Atomic uint64_t said_ns,
        until_ns; /* monotonic; the last two bits of until_ns are the standing */
    _Atomic uint64_t check;
    uint64_t unused;
};

/*
 * Any process, any thread.
 * key       a hash: any part of it spreads
 * until_ns  from then on it is too old
 */
void standing_put(struct standing_row *table, const unsigned char key[STANDING_KEY_BYTES],
                  enum standing standing, uint64_t now_ns, uint64_t until_ns);

/*
 * What holds now.
 * since_ns  of somebody who waits: what was said from then on holds for him though it is too old; UINT64_MAX: nobody waits
 */
enum standing standing_get(const struct standing_row *table,
                           const unsigned char key[STANDING_KEY_BYTES], uint64_t now_ns,
                           uint64_t since_ns);

#endif

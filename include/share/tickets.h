/* SPDX-License-Identifier: MIT */
/* The keys that TLS tickets are sealed with: the same in every worker, changed again and again. */
#ifndef SHARE_TICKETS_H
#define SHARE_TICKETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Keys stand in a ring by their number. The newest seals, it and the TICKETS_PAST ones before it
 * open; the one place that is left is for the next, so nobody reads what is being written.
 */
enum { TICKETS_PAST = 2, TICKETS_RING = TICKETS_PAST + 2 };

struct ticket_key {
    unsigned char name[16]; /* stands in the ticket */
    unsigned char cipher[32], mac[32];
};

/* Part of the segment's daemon_row. Zeroed at creation. */
struct tickets {
    struct ticket_key keys[TICKETS_RING];
    _Atomic uint64_t newest;     /* number of the newest key; 0 = there is none yet */
    _Atomic uint64_t changed_ns; /* monotonic: since when it is the newest */
};

/*
 * Makes the next key the newest, and wipes the oldest. One process alone calls this: master while
 * it makes the segment, then the director.
 * next  NULL: one by chance
 * Returns 0, or -1 with errno when no random bytes can be had; then nothing has changed.
 */
int tickets_rotate(struct tickets *tickets, const struct ticket_key *next, uint64_t now_ns);

/* The key that seals now. False when there is none. The caller wipes its copy. */
bool tickets_seal(const struct tickets *tickets, struct ticket_key *out);

/*
 * The key of this name.
 * is_newest  out: it is the one that seals now
 * False when it is not, or not any more, known. The caller wipes its copy.
 */
bool tickets_open(const struct tickets *tickets, const unsigned char name[16],
                  struct ticket_key *out, bool *is_newest);

#endif

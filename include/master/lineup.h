/* SPDX-License-Identifier: MIT */
/* The order in which the kernel keeps the sockets of one reuseport group. */
#ifndef MASTER_LINEUP_H
#define MASTER_LINEUP_H

#include <stdint.h>

#include "share/segment.h"

/*
 * The kernel keeps the sockets of a reuseport group in an array: listen(2) puts a socket at its
 * end, and when one leaves, the last moves into its place. Positions are what sock_steer names.
 */
struct lineup {
    uint16_t slots[SEGMENT_SLOTS]; /* whose socket is at each position */
    int n;
};

/* The slot's socket listens now; it must not be in there yet. */
void lineup_append(struct lineup *lineup, uint32_t slot);

/* The slot's socket no longer listens; does nothing when it is not in there. */
void lineup_remove(struct lineup *lineup, uint32_t slot);

/* Its position, or -1. */
int lineup_find(const struct lineup *lineup, uint32_t slot);

/*
 * Which positions new connections may be steered to.
 * may_serve   one bool a slot
 * but         slot to leave out besides, or -1
 * indexes     room for SEGMENT_SLOTS
 * Returns how many.
 */
int lineup_indexes(const struct lineup *lineup, const bool *may_serve, int but,
                   uint16_t *indexes);

/*
 * Which socket to take out next, so that no index steered to becomes wrong meanwhile: one that
 * leaves, at the end of the lineup where there is such a one. Returns its slot, or -1 when all may serve.
 */
int lineup_next_to_leave(const struct lineup *lineup, const bool *is_going);

#endif

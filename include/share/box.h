/* SPDX-License-Identifier: MIT */
/* A place in the segment where any process may leave something that one process takes out; whoever writes may die over it. */
#ifndef SHARE_BOX_H
#define SHARE_BOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero is a free one. What is left lies beside it. */
struct box {
    _Atomic uint32_t state;
    uint32_t n_looks; /* the taker's: how often it was seen half written */
};

/* Any process, any thread. True: the place is the caller's to be written, then to be closed. */
bool box_claim(struct box *box);
void box_close(struct box *box);

/* Whether something whole lies there. */
bool box_is_full(const struct box *box);

/*
 * The taker alone: whether something whole is to be taken; then to be emptied.
 * is_periodic  this look is one of those that come once a second: a place that stays half written over three of them has lost
 *              its writer, and is freed
 */
bool box_look(struct box *box, bool is_periodic);
void box_empty(struct box *box);

#endif

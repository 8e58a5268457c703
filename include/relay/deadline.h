/* SPDX-License-Identifier: MIT */
/* One coarse wheel for every time limit of a worker's connections. */
#ifndef RELAY_DEADLINE_H
#define RELAY_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum {
    DEADLINE_SLOTS = 512,
    DEADLINE_TICK_MS = 32 /* how late a limit may be noticed; a round takes 16 s */
};

/* An entry; lies in the object it watches over. Zero: not on the wheel. */
struct deadline {
    struct list_node node;
    uint64_t tick; /* the tick at which it comes round */
};

/*
 * A hashed timing wheel (Varghese and Lauck 1987, scheme 6) with lazy entries: activity does
 * not move an entry. When it comes round its owner says when it is really due, and it is hung
 * up again; only a deadline earlier than where it hangs moves it.
 */
struct deadline_wheel {
    struct list_node slots[DEADLINE_SLOTS];
    uint64_t tick; /* the last one handled */
    uint64_t n_hung;
};

/*
 * Called for an entry that came round.
 * Returns when it is due (monotonic ns): later than now to be hung up again; 0 when the
 * owner has taken it off or ended it.
 */
typedef uint64_t deadline_look(struct deadline *deadline, uint64_t now_ns);

void deadline_init(struct deadline_wheel *wheel, uint64_t now_ns);

/* limit_ms after from_ns; UINT64_MAX for a limit of 0, which is none. */
uint64_t deadline_after(uint64_t from_ns, int64_t limit_ms);

/* Makes sure that the entry comes round no later than due_ns (rounded up to a tick). */
void deadline_hang(struct deadline_wheel *wheel, struct deadline *deadline, uint64_t due_ns);

/* Takes the entry off; one that is not hung stays as it is. */
void deadline_drop(struct deadline_wheel *wheel, struct deadline *deadline);

/* Handles every tick up to now_ns. At most one round is walked however long the loop was away. */
void deadline_advance(struct deadline_wheel *wheel, uint64_t now_ns, deadline_look *look);

#endif

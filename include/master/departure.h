/* SPDX-License-Identifier: MIT */
/* How addresses and workers leave without losing a connection. */
#ifndef MASTER_DEPARTURE_H
#define MASTER_DEPARTURE_H

#include <ev.h>

#include "master/children.h"

struct master;

/* A slot whose worker leaves; listeners.is_going says which. */
struct leaver {
    bool is_told;      /* was sent DROP and DRAIN */
    bool is_given_up;  /* nothing waits at its sockets any more: nobody need accept there */
    uint64_t since_ns; /* since when nothing has waited; since when it is given up */
};

struct departure {
    struct ev_timer tick; /* runs while something leaves */
    struct leaver leavers[SEGMENT_SLOTS];
};

void departure_init(struct master *master);

/* A configuration was committed: workers and addresses it does not name begin to leave. */
void departure_begin(struct master *master);

/* Every address leaves: the daemon ends. */
void departure_of_all(struct master *master);

/* Addresses that were leaving and that the configuration being prepared names are answered again. */
void departure_revive_wanted(struct master *master);

/* The configuration being prepared was given up: what it had revived goes on leaving. */
void departure_resume(struct master *master);

/* A worker says DROPPED. */
void departure_take_dropped(struct master *master, const struct received *message);

/* True when the going slot's sockets are about to be closed and need no adopter. */
bool departure_is_given_up(const struct master *master, uint32_t slot);

#endif

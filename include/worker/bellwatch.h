/* SPDX-License-Identifier: MIT */
/* A worker's bells: takes them from master, hears its own. */
#ifndef WORKER_BELLWATCH_H
#define WORKER_BELLWATCH_H

#include "relay/conn.h"
#include "share/channel.h"

/* Owner: the worker. */
struct bellwatch {
    struct relay *relay; /* its bells; its on_bell is called when the one of its slot rings */
    struct ev_io watch;
};

/* relay has its loop and its slot, and outlives it. */
void bellwatch_init(struct bellwatch *bellwatch, struct relay *relay);
void bellwatch_fini(struct bellwatch *bellwatch);

/* Takes MSG_BELLS: the message's descriptors become relay's bells. */
void bellwatch_take(struct bellwatch *bellwatch, struct received *message);

#endif

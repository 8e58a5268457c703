/* SPDX-License-Identifier: MIT */
/* A worker's listening sockets: accepting in batches, backing off, adopting a stuck sibling's queue. */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/generation.h"
#include "relay/life.h"
#include "share/channel.h"

/*
 * All sockets one worker accepts on, its own and adopted ones. They are lent by master,
 * which keeps a duplicate of each. Owner: the worker.
 */
struct accepts {
    struct relay *relay;
    struct slot_row *row;
    uint32_t slot;
    uint64_t most_open;       /* connections this worker may have */
    struct list_node all;     /* struct listener */
    struct list_node retired; /* stopped ones that wait to be closed, see accepts_drop */
    struct ev_timer resume;   /* ends a pause for want of descriptors */
    struct ev_timer close;    /* closes retired ones */
    bool is_full;             /* paused: most_open reached */
    bool has_held;            /* some listener waits for a place in its service */
    bool is_starved;          /* paused: out of descriptors or memory */
    struct log_limit starved_log;
};

void accepts_init(struct accepts *accepts, struct relay *relay, uint64_t most_open);

/* Closes every socket and gives the generations they hold back. */
void accepts_fini(struct accepts *accepts);

/*
 * Takes a socket over; nothing is accepted on it before a commit names its listener.
 * id    the listener it belongs to
 * slot  the worker it was made for: this one, or the stuck one it is adopted from
 * Returns 0, or -1 with errno ENOMEM (fd is closed).
 */
int accepts_add(struct accepts *accepts, uint32_t id, uint32_t slot, int fd);

/*
 * Takes the message's sockets over, each as accepts_add does; which listeners they belong to is its payload.
 * What cannot be kept is closed, and logged.
 */
void accepts_take(struct accepts *accepts, struct received *message, uint32_t slot);

/*
 * From now on connections belong to the generation. A listener it does not name goes on
 * accepting for the generation that did, until it is dropped.
 */
void accepts_commit(struct accepts *accepts, struct generation *generation);

/*
 * Stops accepting on this worker's own sockets of the given listeners. The descriptors are closed
 * a moment later: while libev still has one in its epoll set and master holds a duplicate, closing
 * it would make libev rebuild the set.
 */
void accepts_drop(struct accepts *accepts, const uint32_t *ids, size_t n);

/* The same for all sockets adopted from a slot. */
void accepts_release(struct accepts *accepts, uint32_t slot);

/* Master is gone: stops and closes everything at once. */
void accepts_abandon(struct accepts *accepts);

/* A connection has ended or most_open has grown: there may be room for another. */
void accepts_make_room(struct accepts *accepts);

/* True when there is nothing left to accept on. */
bool accepts_is_empty(const struct accepts *accepts);

#endif

/* SPDX-License-Identifier: MIT */
/* Listening sockets: per address one for each worker slot, all opened and kept by master. */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include "base/list.h"
#include "conf/build.h"
#include "master/lineup.h"

enum { CONGESTION_NAME_BYTES = 16 };

/* What may change on a socket that is kept. */
struct listener_tuning {
    int backlog;
    bool nodelay, keepalive;
    int64_t user_timeout_ms;
    char congestion[CONGESTION_NAME_BYTES];
};

/*
 * One address with its sockets: one reuseport group of the kernel. What makes it the same over a
 * reload is address and interface. Owner: struct listeners.
 */
struct listener {
    struct list_node node;
    uint32_t id; /* never used again in this daemon's life */
    struct addr address;
    char *interface; /* owned; "" = any */
    struct listener_tuning tuning, next_tuning;
    bool is_wanted;      /* by the configuration being prepared */
    bool is_live;        /* by the current one */
    bool is_refusing;    /* leaving: new connections are no longer answered */
    bool is_dropped;     /* leaving: workers were told to close theirs */
    uint64_t refused_ns; /* leaving: since when */
    uint64_t moved_ns;   /* leaving: when the number of the waiting last changed */
    size_t n_waiting;    /* leaving: how many waited at the last look */
    uint64_t busy_ns;    /* leaving: when something last waited in a queue */
    uint64_t dropped_ns;
    size_t n_holders; /* workers that have not said DROPPED */
    struct lineup lineup;
    int fds[SEGMENT_SLOTS]; /* owned; -1 = none */
    int sink_fd; /* leaving: takes the SYNs where no filter may drop them; owned; -1 = none */
    bool is_fresh
        [SEGMENT_SLOTS]; /* opened for the configuration being prepared: bound, not listening */
};

struct listeners {
    struct list_node all;
    uint32_t last_id;
    bool is_going[SEGMENT_SLOTS]; /* the slot's worker leaves: nothing new for its sockets */
};

/* Ids with their sockets, as a message wants them. Zero is empty. */
struct listener_batch {
    uint32_t *ids; /* owned */
    int *fds;      /* owned array; the descriptors are the listeners' */
    size_t n, capacity;
};
void listener_batch_fini(struct listener_batch *batch);

void listeners_init(struct listeners *listeners);
/* Closes every socket. */
void listeners_fini(struct listeners *listeners);

/*
 * Looks whether every listener of the model can be tuned as asked, without opening one.
 * Returns 0, or -1 with the reasons in problems.
 */
int listeners_check(const struct model *model, struct problems *problems);

/*
 * Opens, all or nothing, what the model wants and is not there: new addresses, and sockets of
 * known ones for slots that have none. They are bound and do not listen yet.
 * slots    the workers of the new configuration, n_slots of them, ascending
 * ids_out  gets the listener of each listen of the model, in order
 * patience_ms  try so long when an address is in use: a killed daemon's workers need a moment to notice
 * Returns 0, or -1 with the reasons in problems and everything as before.
 */
int listeners_prepare(struct listeners *listeners, const struct model *model,
                      const uint32_t *slots, size_t n_slots, uint32_t *ids_out,
                      int64_t patience_ms, struct problems *problems);

/* Adds the prepared, not yet listening sockets of the slot. 0 or -1 with errno ENOMEM. */
int listeners_collect_fresh(const struct listeners *listeners, uint32_t slot,
                            struct listener_batch *batch);

/* Adds the slot's sockets that listen and are not dropped. 0 or -1 with errno ENOMEM. */
int listeners_collect(const struct listeners *listeners, uint32_t slot,
                      struct listener_batch *batch);

/*
 * Adds the slot's sockets of what was dropped at just that time, and counts the slot among their
 * holders. 0 or -1 with errno ENOMEM.
 */
int listeners_collect_dropped(const struct listeners *listeners, uint32_t slot,
                              uint64_t dropped_ns, struct listener_batch *batch);

/*
 * Listens on everything prepared, tunes what is kept anew; addresses no longer wanted are no
 * longer live. Returns 0, or -1 with the reasons in problems; then listeners_abort is due.
 */
int listeners_commit(struct listeners *listeners, struct problems *problems);

/* Closes what was prepared. */
void listeners_abort(struct listeners *listeners);

/* An address that was leaving is answered again; workers that were told to drop it must get it anew. */
void listener_revive(struct listener *listener);

/* New connections to the address are no longer answered; half-open ones may finish. */
void listener_refuse(struct listener *listener);

/* Connections that wait in the queues of the address; of the slot. Sockets that do not listen have none. */
size_t listener_waiting(const struct listener *listener);
size_t listeners_waiting_for(const struct listeners *listeners, uint32_t slot);

/* Closes the address for good; connections to it are refused from now on. */
void listener_close(struct listener *listener);

/* The slot's worker leaves: new connections go to the others. */
void listeners_steer_around(struct listeners *listeners, uint32_t slot);

/* Takes the slot's sockets out of every group; call it only when their queues are empty. */
void listeners_close_slot(struct listeners *listeners, uint32_t slot);

/* True while master holds a socket for the slot. */
bool listeners_has_slot(const struct listeners *listeners, uint32_t slot);

#endif

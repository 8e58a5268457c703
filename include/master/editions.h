/* SPDX-License-Identifier: MIT */
/* The configurations that some process still uses. */
#ifndef MASTER_EDITIONS_H
#define MASTER_EDITIONS_H

#include "base/list.h"
#include "base/text.h"
#include "conf/bundle.h"
#include "master/children.h"

struct master;
struct rollout;

/* One configuration with a number. Owner: the rollout's list; freed when nobody uses it. */
struct edition {
    struct list_node node;
    uint64_t generation;
    struct model *model;      /* owned, unless it is master's boot model */
    int bundle_fd;            /* owned; -1 = not packed yet */
    struct bundle_keys keys;  /* owned */
    struct bundle_rows rows;  /* owned, by rows_give */
    uint64_t max_connections; /* a worker, resolved */
    /*
     * What the file said when it was read last, before edits; NULL = this one is as the file says. It is kept for as
     * long as an edition names it, without rows once no process uses it.
     */
    struct edition *written;
    struct text edits;          /* since then, oldest first: see master/edits.h */
    bool is_held[CHILD_PLACES]; /* the process there has not said RETIRED */
};

/* A new one with the next number becomes rollout->next; it takes the model over. NULL with errno ENOMEM. */
struct edition *editions_add(struct rollout *rollout, struct model *model);

/* The one of that number, or NULL. */
struct edition *editions_find(const struct rollout *rollout, uint64_t generation);

/* Frees those that are neither current nor next and that no process holds; shows how many are left. */
void editions_release(struct master *master);

/* The process there has ended: it holds none. */
void editions_forget(struct master *master, const struct child *child);

/* The daemon ends. */
void editions_free_all(struct master *master);

#endif

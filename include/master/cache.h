/* SPDX-License-Identifier: MIT */
/* What master has of lists and staples: told by the director, kept in files, put into every configuration. */
#ifndef MASTER_CACHE_H
#define MASTER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/fetched.h"
#include "share/channel.h"

struct master;

/* Zero is empty. Owner: master. */
struct cache {
    struct fetched fetched;
    char *complained;  /* owned: the folder that could not be written to, which was said */
    bool is_dirty;     /* something has come that no configuration has yet */
    uint64_t asked_ns; /* when that was last asked for, monotonic */
};

void cache_fini(struct cache *cache);

/* Before a model is packed: puts in what there is for it, from files where that is not in memory yet. */
void cache_fill(struct master *master, struct model *model);

/*
 * FETCHED from the director, which talks to the network and is not believed: only what the current configuration
 * or the next has a use for is taken, and kept.
 */
void cache_take(struct master *master, const struct received *message);

/*
 * Called some times a second: has what came rolled out, at once or, when much comes, together every few seconds: with a
 * thousand certificates there is always some staple to be renewed.
 */
void cache_look(struct master *master, uint64_t now_ns);

/* A configuration was committed: what it has no use for is forgotten, its files removed. */
void cache_forget_unwanted(struct master *master);

#endif

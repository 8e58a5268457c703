/* SPDX-License-Identifier: MIT */
/* Brings one configuration to all processes: prepared by all, then committed, or given up. */
#ifndef MASTER_ROLLOUT_H
#define MASTER_ROLLOUT_H

#include <ev.h>

#include "master/editions.h"
#include "master/requests.h"
#include "master/sinks.h"

struct master;

enum rollout_stage {
    ROLLOUT_IDLE,
    ROLLOUT_PREPARING, /* waiting for every READY */
    ROLLOUT_COMMITTING /* waiting for every COMMITTED */
};

/* What the one under way is. */
enum rollout_kind {
    ROLLOUT_OF_FILE, /* what is on disk */
    ROLLOUT_OF_NAMES, /* the current configuration with other addresses, lists, staples, files that have changed */
    ROLLOUT_OF_EDITS /* the current configuration as admins have changed it */
};

/*
 * One at a time: requests that come meanwhile wait, and are answered all together by the next. The
 * file is read after the request came, never before; not at all when only what it means has changed.
 */
struct rollout {
    enum rollout_stage stage;
    struct list_node editions;
    struct edition *current, *next; /* next: the one under way */
    uint64_t last_generation;
    struct list_node asking, waiting; /* answered by the one under way, by the one after it */
    struct last_reload last_reload;
    struct ev_timer limit;
    struct sinks sinks; /* of next, until it is committed */
    bool has_sinks;
    uint32_t slots[SEGMENT_SLOTS]; /* the workers of next, ascending */
    size_t n_slots;
    bool are_doors_changed;
    enum rollout_kind kind;
    bool has_read; /* ROLLOUT_OF_NAMES: files that had changed */
};

void rollout_init(struct master *master);
void rollout_fini(struct master *master);

/* Nothing is under way, somebody waits: whose turn it is gets what he asked for. */
void rollout_begin(struct master *master);

/* Names of hosts mean something else now: what is being prepared begins again with that, else the current one does. */
void rollout_renew(struct master *master);

/* Gives the one under way up, and answers all that wait; nothing begins any more. */
void rollout_cancel(struct master *master, const char *why);

/* New files under the old names, for the current configuration and for the one under way. False with the reason among the problems. */
bool rollout_reopen_logs(struct master *master, struct problems *problems);

/* READY, REFUSED, COMMITTED, RETIRED. */
void rollout_take(struct master *master, struct child *child, const struct received *message);

/* The process has ended, saying why it cannot work: a start is given up, a reload tries again. */
void rollout_note_failure(struct master *master, const struct child *child);

/* Someone's state changed: goes on if nobody is waited for any more. */
void rollout_advance(struct master *master);

/* True when the next configuration has a process in this place. */
bool rollout_has(const struct rollout *rollout, uint32_t place);

#endif

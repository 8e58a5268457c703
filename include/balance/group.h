/* SPDX-License-Identifier: MIT */
/* Run-time host and group, as schedulers see them; composed by relay/generation. */
#ifndef BALANCE_GROUP_H
#define BALANCE_GROUP_H

#include <stdint.h>

#include "base/hash.h"
#include "conf/model.h"
#include "share/segment.h"

struct scheduler;

struct host {
    const struct model_host *model;
    struct host_row *row;
    uint32_t number; /* of the row */
    int64_t limit;   /* by pick: the model's max_connections, near at hand */
};

/* One group of one generation in one worker. Owner: the generation. */
struct group {
    const struct model_group *model;
    const struct segment *segment;
    uint32_t slot; /* this worker's */
    struct group_row *row;
    uint32_t number; /* of the row */
    struct host *hosts;
    uint32_t n_hosts;
    struct host_eject_rules eject;
    struct random *random; /* the worker's */

    /* What pick keeps; rebuilt when row->epoch differs from built_epoch or an ejection has run out. */
    const struct scheduler *scheduler;
    void *prepared;   /* the scheduler's own */
    uint32_t *usable; /* indexes into hosts, n_usable of them; room for n_hosts */
    uint32_t n_usable;
    uint32_t built_epoch;
    bool is_built;
    bool is_open;     /* fail_open: fewer than that share is usable, so health does not count */
    bool has_limits;  /* some host has max_connections: a line may form */
    bool may_be_cold; /* some host is in slow start, or was when usable was made */
    uint64_t all_warm_ns;     /* the last slow start ends */
    uint64_t next_readmit_ns; /* earliest end of an ejection; UINT64_MAX = none */
};

#endif

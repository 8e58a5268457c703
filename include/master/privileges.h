/* SPDX-License-Identifier: MIT */
/* Who the processes run as, which capabilities master keeps, how many descriptors a process may open. */
#ifndef MASTER_PRIVILEGES_H
#define MASTER_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "conf/model.h"
#include "conf/problems.h"

#define ACCOUNT_GROUPS 64

/* Whom workers and the director run as. Zero: as master, nothing is switched. */
struct account {
    bool is_switched; /* master is root and the ids below are taken on */
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_GROUPS]; /* supplementary */
    size_t n_groups;
};

/*
 * Looks the user and the group up, which must be done before fork.
 * notes  gets a warning sentence where a user should know of a choice made for him
 * Returns 0, or -1 with a sentence in error.
 */
int account_find(struct account *account, const struct model_global *global, struct text *notes,
                 struct text *error);

/*
 * In a child between fork and exec: takes the account on for ever, drops every capability, and
 * keeps exec from giving any back. Only async-signal-safe calls.
 * Returns 0 or -1 with errno.
 */
int account_become(const struct account *account, bool keeps_net_raw);

/*
 * Master keeps its uid and drops every capability but those it needs. 0 or -1 with errno.
 * is_transparent  workers connect from their clients' addresses: CAP_NET_RAW is kept, too, to be passed on
 */
int privileges_keep_needed(bool is_transparent);

/*
 * Resolves how many connections a worker may have and sees to it that the descriptors are there:
 * the soft limit is raised to the hard one, and, as root, the hard one to what is wanted.
 * model      its max_connections: 0 = what the limit allows; its listeners are held besides, and a
 *            bell for each worker
 * may_raise  false: only tell (for --test)
 * Returns connections a worker (> 0), or 0 with the reason among the problems.
 */
uint64_t descriptors_resolve(const struct model *model, bool may_raise,
                             struct problems *problems);

/* What a worker holds besides connections. */
struct descriptor_needs {
    size_t n_listeners;
    size_t n_workers;  /* as many bells */
    uint64_t n_pooled; /* connections kept open ahead of need */
};

/* Pure: connections that fit in limit descriptors, 0 = none. */
uint64_t descriptors_allow(uint64_t limit, const struct descriptor_needs *needs);

#endif

/* SPDX-License-Identifier: MIT */
/* Who accepts for a worker that does not. */
#ifndef MASTER_ADOPTION_H
#define MASTER_ADOPTION_H

#include "master/children.h"

struct master;

/*
 * Finds an adopter for each slot whose sockets nobody accepts on (stuck, dead and not yet
 * replaced, leaving) and releases those that need none any more. Cheap when nothing has changed.
 */
void adoption_review(struct master *master);

/* The set of listening sockets has changed: adopters get it anew. */
void adoption_renew_all(struct master *master);

/* The process there has ended: what it had adopted needs another. */
void adoption_forget(struct master *master, const struct child *child);

#endif

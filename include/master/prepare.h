/* SPDX-License-Identifier: MIT */
/* The first half of a rollout: what master has to give for it, and the question to everybody. */
#ifndef MASTER_PREPARE_H
#define MASTER_PREPARE_H

#include "conf/build.h"
#include "master/editions.h"

/*
 * Rows, descriptors, logs, worker slots, sockets, the bundle.
 * Returns 0, or with the reasons in problems the exit status of a start that ends by them: 3
 * where it is the configuration that asks for too much, 1 where the machine does not give it.
 */
int prepare_gather(struct master *master, struct edition *edition, struct problems *problems);

/* Lends new sockets, starts new processes, sends PREPARE. */
void prepare_ask(struct master *master);

/*
 * As prepare_gather for an edition that is the one before with other addresses: only rows and
 * bundle are its own, all else is that of the one before.
 */
int prepare_renewed(struct master *master, struct edition *edition,
                    const struct edition *before, struct problems *problems);

/* Who was asked about the one before is asked about the next instead. */
void prepare_ask_again(struct master *master, struct edition *before);

#endif

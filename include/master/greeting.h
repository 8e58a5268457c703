/* SPDX-License-Identifier: MIT */
/* What a process is told: who it is, its sockets, where lines go, which configuration to prepare. */
#ifndef MASTER_GREETING_H
#define MASTER_GREETING_H

#include "master/context.h"

/* The first messages to a process that was just started; ends with a PREPARE. */
void greeting_send(struct master *master, struct child *child);

/* Sends PREPARE of the edition. */
void greeting_prepare(struct child *child, struct edition *edition);

/* Lends the sockets; kind is MSG_SOCKETS or MSG_ADOPT, number the slot adopted from. */
void greeting_lend(struct child *child, enum message_kind kind, uint64_t number,
                   const struct listener_batch *batch);

/* Sends MSG_DROP for the listeners of the batch. */
void greeting_drop(struct child *child, const struct listener_batch *batch);

/* Tells the director where the logs end now. */
void greeting_send_logs(struct master *master);

#endif

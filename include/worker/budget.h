/* SPDX-License-Identifier: MIT */
/* What a worker's descriptors are for. */
#ifndef WORKER_BUDGET_H
#define WORKER_BUDGET_H

#include <stdint.h>

/*
 * How many of the wanted connections fit, two descriptors each. Master may have raised its own
 * limit since our start; ours stays what it was. Says so in the log when they do not.
 */
uint64_t budget_connections(uint64_t wanted);

/*
 * Descriptors for pipes and for parked host sockets beside so many connections: not more than
 * master has counted in. What is then left is for listening sockets, adopted ones too.
 */
int64_t budget_spare(uint64_t connections);

#endif

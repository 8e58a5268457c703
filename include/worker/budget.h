/* SPDX-License-Identifier: MIT */
/* What a worker's descriptors are for. */
#ifndef WORKER_BUDGET_H
#define WORKER_BUDGET_H

#include <stdint.h>

#include "relay/conn.h"

/*
 * How many of the wanted connections fit, two descriptors each, beside so many bells. Master may have raised its own
 * limit since our start; ours stays what it was. Says so in the log when they do not.
 */
uint64_t budget_connections(uint32_t n_bells, uint64_t wanted);

/* Gives what descriptors there are beside so many connections to pipes, to parked host sockets and to pools. */
void budget_share(struct relay *relay, uint32_t n_bells, uint64_t connections);

/* How many sockets all pools together may hold beside all that, with so many listening addresses. */
void budget_pools(struct relay *relay, uint32_t n_bells, uint64_t connections,
                  size_t n_listeners);

#endif

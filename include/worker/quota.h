/* SPDX-License-Identifier: MIT */
/* How a worker shares out the descriptors that it may have. */
#ifndef WORKER_QUOTA_H
#define WORKER_QUOTA_H

#include <stdint.h>

#include "relay/conn.h"

/*
 * Connections that this process can hold of the most_open that master allows: master may have
 * raised its own limit since, ours stays what it was at our start. Warns of a difference.
 */
uint64_t quota_fit(uint64_t most_open);

/* Gives what is left beyond two for each of most_open connections to pipes and to parked host sockets. */
void quota_share(struct relay *relay, uint64_t most_open);

#endif

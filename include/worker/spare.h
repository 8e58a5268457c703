/* SPDX-License-Identifier: MIT */
/* How a worker shares out the descriptors it may have. */
#ifndef WORKER_SPARE_H
#define WORKER_SPARE_H

#include <stdint.h>

struct relay;

/* Descriptors for other things than connections, pipes and parked sockets, with so many bells. */
uint64_t spare_reserved(uint32_t n_bells);

/*
 * Most connections that fit beside so many reserved descriptors, asked for at most. Master may have
 * raised its own descriptor limit since; ours stays what it was at our start: then the log says so.
 */
uint64_t spare_fit(uint64_t reserved, uint64_t most_open);

/* Descriptors beyond two a connection go to pipes, to parked host sockets and to pools. */
void spare_share(struct relay *relay, uint64_t reserved, uint64_t most_open);

#endif

/* SPDX-License-Identifier: MIT */
/* One row per service; counters sharded by worker. */
#ifndef SHARE_SERVICES_H
#define SHARE_SERVICES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "share/outcome.h"

struct segment;

struct service_row {
    _Alignas(64) _Atomic int64_t
        open; /* connections claimed under max_connections, over all workers */
    _Alignas(64) _Atomic uint32_t is_used; /* by master */
    _Atomic uint32_t
        enabled; /* which of its groups: 0 = the file's `group`, n = the n-th of `standby` */
    _Atomic uint32_t
        is_full; /* somebody found it full: who ends a connection rings all bells */
};

struct service_shard {
    _Alignas(64) _Atomic int64_t connections; /* open now */
    _Atomic int64_t waiting;                  /* of these, queued for a place at a host */
    _Atomic uint64_t connections_total, bytes_in, bytes_out;
    _Atomic uint64_t outcomes[OUTCOMES]; /* ended connections by outcome */
};

struct service_figures {
    int64_t connections, waiting;
    uint64_t connections_total, bytes_in, bytes_out;
    uint64_t outcomes[OUTCOMES];
};

/* A worker's own shard of a service. */
struct service_shard *service_shard(const struct segment *segment, uint32_t slot,
                                    uint32_t service);

/*
 * Takes one of the service's places: total first; the shard's gauge (connections) is the caller's
 * to raise afterwards.
 * limit  most open over all workers; 0 = none (it is counted all the same)
 * Returns false when the service is full.
 */
bool service_claim(const struct segment *segment, uint32_t service, int64_t limit);

/* Gives it back; the shard's gauge was lowered before. */
void service_release(const struct segment *segment, uint32_t service);

/* Adds up all shards. */
void service_sum(const struct segment *segment, uint32_t service, struct service_figures *out);

/* Master: zeroes row and shards. */
void service_reset(const struct segment *segment, uint32_t service);

#endif

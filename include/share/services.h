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
        open; /* connections claimed, over all workers; counted without max_connections, too */
    _Atomic uint64_t moves;                /* one more with each claim, for the audit */
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
    /* TLS handshakes with clients: complete ones, and those whose client left before it was their turn. */
    _Atomic uint64_t handshakes_full, handshakes_resumed, handshakes_abandoned;
    /* And those refused since the client's certificate was revoked, no fresh list covered it, or no responder answered. */
    _Atomic uint64_t handshakes_revoked, handshakes_stale, handshakes_unanswered;
};

struct service_figures {
    int64_t connections, waiting;
    uint64_t connections_total, bytes_in, bytes_out;
    uint64_t outcomes[OUTCOMES];
    uint64_t handshakes_full, handshakes_resumed, handshakes_abandoned;
    uint64_t handshakes_revoked, handshakes_stale, handshakes_unanswered;
};

/* A worker's own shard of a service. */
struct service_shard *service_shard(const struct segment *segment, uint32_t slot,
                                    uint32_t service);

/*
 * Takes one of the service's places: total first; the shard's gauge (connections) is the caller's
 * to raise afterwards. Exact over all workers: compare-and-swap.
 * limit  most open over all workers; 0 = none: every connection claims, so that a limit which
 *        comes with a reload finds them counted
 * Returns false when the service is full; is_full was then set before the last look at it.
 */
bool service_claim(const struct segment *segment, uint32_t service, int64_t limit);

/*
 * Whether a claim would fail now; is_full was then set before the last look, as by a claim that has
 * failed: whoever goes on waiting after he was called must say so again.
 */
bool service_is_full(const struct segment *segment, uint32_t service, int64_t limit);

/* Gives it back; the shard's gauge was lowered before. */
void service_release(const struct segment *segment, uint32_t service);

/* For settling: adds to the total alone (by < 0: lowers it, never below 0). */
void service_adjust(const struct segment *segment, uint32_t service, int64_t by);

/* Adds up all shards. */
void service_sum(const struct segment *segment, uint32_t service, struct service_figures *out);

/* Master: zeroes row and shards. */
void service_reset(const struct segment *segment, uint32_t service);

#endif

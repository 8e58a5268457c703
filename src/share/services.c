/* SPDX-License-Identifier: MIT */
/* One row per service: counters sharded by worker. */
#include "share/services.h"

#include <assert.h>
#include <string.h>

#include "share/segment.h"

struct service_shard *service_shard(const struct segment *segment, uint32_t slot,
                                    uint32_t service)
{
    assert(slot < SEGMENT_SLOTS && service < SEGMENT_SERVICES);
    return &segment->service_shards[(size_t)slot * SEGMENT_SERVICES + service];
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void service_sum(const struct segment *segment, uint32_t service, struct service_figures *out)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    memset(out, 0, sizeof *out);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct service_shard *shard = service_shard(segment, slot, service);
        out->connections += atomic_load_explicit(&shard->connections, memory_order_relaxed);
        out->waiting += atomic_load_explicit(&shard->waiting, memory_order_relaxed);
        out->connections_total += get(&shard->connections_total);
        out->bytes_in += get(&shard->bytes_in);
        out->bytes_out += get(&shard->bytes_out);
        for (size_t i = 0; i < OUTCOMES; i++)
            out->outcomes[i] += get(&shard->outcomes[i]);
    }
}

void service_reset(const struct segment *segment, uint32_t service)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    segment_raise(&segment->daemon->services_used, service + 1);
    atomic_store(&segment->services[service].is_used, 0);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        struct service_shard *shard = service_shard(segment, slot, service);
        atomic_store(&shard->connections, 0);
        atomic_store(&shard->waiting, 0);
        atomic_store(&shard->connections_total, 0);
        atomic_store(&shard->bytes_in, 0);
        atomic_store(&shard->bytes_out, 0);
        for (size_t i = 0; i < OUTCOMES; i++)
            atomic_store(&shard->outcomes[i], 0);
    }
}

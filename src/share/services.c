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

/* One more of the total unless that would be more than limit. */
static bool raise_open(struct service_row *row, int64_t limit)
{
    int64_t seen = atomic_load(&row->open);

    do {
        if (limit > 0 && seen >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(&row->open, &seen, seen + 1));
    atomic_fetch_add(&row->moves, 1);
    return true;
}

bool service_claim(const struct segment *segment, uint32_t service, int64_t limit)
{
    assert(service < SEGMENT_SERVICES);
    struct service_row *row = &segment->services[service];

    if (raise_open(row, limit))
        return true;
    /* Said, then looked again: whoever gave a place back meanwhile did it before that, or sees it. */
    atomic_store(&row->is_full, 1);
    return raise_open(row, limit);
}

bool service_is_full(const struct segment *segment, uint32_t service, int64_t limit)
{
    assert(service < SEGMENT_SERVICES);
    struct service_row *row = &segment->services[service];

    if (limit <= 0 || atomic_load(&row->open) < limit)
        return false;
    atomic_store(&row->is_full, 1);
    return atomic_load(&row->open) >= limit;
}

void service_release(const struct segment *segment, uint32_t service)
{
    assert(service < SEGMENT_SERVICES);
    service_adjust(segment, service, -1);
}

void service_adjust(const struct segment *segment, uint32_t service, int64_t by)
{
    struct service_row *row = &segment->services[service];
    int64_t seen = atomic_load(&row->open);
    int64_t next;

    do {
        next = seen + by > 0 ? seen + by : 0;
    } while (!atomic_compare_exchange_weak(&row->open, &seen, next));
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
        out->handshakes_full += get(&shard->handshakes_full);
        out->handshakes_resumed += get(&shard->handshakes_resumed);
        out->handshakes_abandoned += get(&shard->handshakes_abandoned);
        out->handshakes_revoked += get(&shard->handshakes_revoked);
        out->handshakes_stale += get(&shard->handshakes_stale);
        out->handshakes_unanswered += get(&shard->handshakes_unanswered);
    }
}

void service_reset(const struct segment *segment, uint32_t service)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    segment_raise(&segment->daemon->services_used, service + 1);
    struct service_row *row = &segment->services[service];
    atomic_store(&row->is_used, 0);
    atomic_store(&row->open, 0);
    atomic_store(&row->enabled, 0);
    atomic_store(&row->is_full, 0);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        struct service_shard *shard = service_shard(segment, slot, service);
        atomic_store(&shard->connections, 0);
        atomic_store(&shard->waiting, 0);
        atomic_store(&shard->connections_total, 0);
        atomic_store(&shard->bytes_in, 0);
        atomic_store(&shard->bytes_out, 0);
        for (size_t i = 0; i < OUTCOMES; i++)
            atomic_store(&shard->outcomes[i], 0);
        atomic_store(&shard->handshakes_full, 0);
        atomic_store(&shard->handshakes_resumed, 0);
        atomic_store(&shard->handshakes_abandoned, 0);
        atomic_store(&shard->handshakes_revoked, 0);
        atomic_store(&shard->handshakes_stale, 0);
        atomic_store(&shard->handshakes_unanswered, 0);
    }
}

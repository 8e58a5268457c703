/* SPDX-License-Identifier: MIT */
/* Makes the connection of an accepted socket. */
#include "relay/admit.h"

#include <string.h>

#include "base/counter.h"
#include "net/plain.h"
#include "relay/generation.h"

static void fill_row(const struct conn *c, const struct addr *client)
{
    struct live_row *row = live_row(c->relay->segment, c->relay->slot, c->live);

    atomic_store_explicit(&row->service, c->service->number, memory_order_relaxed);
    atomic_store_explicit(&row->host, UINT32_MAX, memory_order_relaxed);
    atomic_store_explicit(&row->since_ns, clock_wall_ns(), memory_order_relaxed);
    row->client_family = client->any.sa_family;
    row->client_port = addr_port(client);
    if (client->any.sa_family == AF_INET)
        memcpy(row->client_address, &client->in.sin_addr, sizeof client->in.sin_addr);
    else
        memcpy(row->client_address, &client->in6.sin6_addr, sizeof client->in6.sin6_addr);
    atomic_store_explicit(&row->id, c->relay->next_id++, memory_order_release);
}

static uint64_t end_of_life(struct relay *relay, const struct model_service *model)
{
    if (model->lifetime_ms == 0)
        return 0;
    int64_t spread_ms = model->lifetime_ms / 100 * model->lifetime_spread;
    int64_t shift_ms =
        spread_ms > 0
            ? (int64_t)random_below(&relay->random, 2 * (uint64_t)spread_ms) - spread_ms
            : 0;
    return relay->now_ns + (uint64_t)(model->lifetime_ms + shift_ms) * CLOCK_NS_PER_MS;
}

static void init_half(struct half *half, struct half *peer, int fd, half_ready *on_ready)
{
    half->io = &plain_transport;
    half->peer = peer;
    ev_io_init(&half->watch, on_ready, fd, 0);
}

struct conn *admit_new(struct relay *relay, const struct life_arrival *arrival,
                       half_ready *on_ready)
{
    struct conn *c = pool_take(&relay->conns);
    if (c == NULL)
        return NULL;
    c->live = live_take(&relay->live);
    if (c->live == LIVE_NONE) {
        pool_give(&relay->conns, c);
        return NULL;
    }
    init_half(&c->client, &c->host, arrival->fd, on_ready);
    init_half(&c->host, &c->client, -1, on_ready);
    c->client.is_client = true;
    c->relay = relay;
    c->generation = generation_get(arrival->generation);
    c->service = arrival->service;
    c->since_ns = c->phase_ns = c->active_ns = relay->now_ns;
    c->end_ns = end_of_life(relay, c->service->model);
    list_append(&relay->all, &c->all);
    relay->n_open++;
    fill_row(c, arrival->client);
    gauge_add(&c->service->shard->connections, 1);
    counter_add(&c->service->shard->connections_total, 1);
    return c;
}

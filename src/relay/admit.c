/* SPDX-License-Identifier: MIT */
/* Makes the connection of an accepted socket. */
#include "relay/admit.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/counter.h"
#include "net/plain.h"
#include "relay/generation.h"

struct live_row *admit_row(const struct conn *c)
{
    return live_row(c->relay->segment, c->relay->slot, c->live);
}

static void fill_client(struct live_row *row, const struct addr *client)
{
    row->client_family = client->any.sa_family;
    row->client_port = addr_port(client);
    if (client->any.sa_family == AF_INET)
        memcpy(row->client_address, &client->in.sin_addr, sizeof client->in.sin_addr);
    else
        memcpy(row->client_address, &client->in6.sin6_addr, sizeof client->in6.sin6_addr);
}

static void fill_row(const struct conn *c, const struct addr *client)
{
    struct live_row *row = admit_row(c);

    atomic_store_explicit(&row->service, c->service->number, memory_order_relaxed);
    atomic_store_explicit(&row->host, UINT32_MAX, memory_order_relaxed);
    atomic_store_explicit(&row->since_ns, clock_wall_ns(), memory_order_relaxed);
    fill_client(row, client);
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

void conn_make_plain(struct half *half)
{
    if (half->io->fini != NULL)
        half->io->fini(half->io_state);
    half->io = &plain_transport;
    half->io_state = NULL;
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
    c->entrance = arrival->entrance;
    c->way = &c->service->ways[0];
    c->since_ns = c->phase_ns = c->active_ns = relay->now_ns;
    c->end_ns = end_of_life(relay, c->service->model);
    list_append(&relay->all, &c->all);
    relay->n_open++;
    fill_row(c, arrival->client);
    gauge_add(&c->service->shard->connections, 1);
    counter_add(&c->service->shard->connections_total, 1);
    return c;
}

void admit_rename_client(const struct conn *c, const struct addr *client)
{
    struct live_row *row = admit_row(c);
    uint64_t id = atomic_load_explicit(&row->id, memory_order_relaxed);

    if (client->any.sa_family != AF_INET && client->any.sa_family != AF_INET6)
        return;
    /* Who reads the row meanwhile sees none; the fence keeps the stores behind that. */
    atomic_store_explicit(&row->id, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    fill_client(row, client);
    atomic_store_explicit(&row->id, id, memory_order_release);
}

void admit_read_client(const struct conn *c, struct addr *out)
{
    const struct live_row *row = admit_row(c);

    *out = (struct addr){.any.sa_family = row->client_family};
    if (row->client_family == AF_INET) {
        memcpy(&out->in.sin_addr, row->client_address, sizeof out->in.sin_addr);
        out->in.sin_port = htons(row->client_port);
        out->length = sizeof out->in;
    } else {
        memcpy(&out->in6.sin6_addr, row->client_address, sizeof out->in6.sin6_addr);
        out->in6.sin6_port = htons(row->client_port);
        out->length = sizeof out->in6;
    }
}

static bool is_allowed(const struct service *service, const struct addr *client)
{
    if (netset_has(&service->deny, client))
        return false;
    return netset_is_empty(&service->allow) || netset_has(&service->allow, client);
}

/* Counts the connection for its source; false when a limit forbids it. */
static bool enter_source(struct conn *c, const struct addr *client)
{
    const struct service *service = c->service;
    const struct model_prefixes *prefixes = &service->model->share_sources;
    const struct segment *segment = c->relay->segment;

    if (service->limits.most_open == 0 && service->limits.rate_per_hour == 0)
        return true;
    uint64_t key =
        source_key(segment, service->number, client, (int)prefixes->inet, (int)prefixes->inet6);
    if (source_enter(segment, key, &service->limits, c->relay->now_ns, &c->source) !=
        SOURCE_ENTERED)
        return false;
    /* After it was counted: a kill in between leaves the count too high, never too low. */
    atomic_store(&admit_row(c)->source, c->source);
    return true;
}

enum outcome admit_enter(struct conn *c, const struct addr *client)
{
    if (!is_allowed(c->service, client))
        return OUTCOME_DENIED;
    return enter_source(c, client) ? OUTCOME_OPEN : OUTCOME_LIMITED;
}

static void leave_source(struct conn *c)
{
    if (c->source == 0)
        return;
    atomic_store(&admit_row(c)->source, 0);
    source_leave(c->relay->segment, c->source);
    c->source = 0;
}

void admit_leave(struct conn *c)
{
    leave_source(c);
    gauge_add(&c->service->shard->connections, -1);
    admit_leave_service(c->relay, c->service);
}

void admit_leave_service(const struct relay *relay, const struct service *service)
{
    service_release(relay->segment, service->number);
    if (atomic_load_explicit(&service->row->is_full, memory_order_relaxed) != 0 &&
        atomic_exchange(&service->row->is_full, 0) != 0)
        bells_ring_all(&relay->bells);
}

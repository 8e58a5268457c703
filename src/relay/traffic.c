/* SPDX-License-Identifier: MIT */
/* Counts the bytes of a connection where users see them; pushes out what a cork holds back. */
#include "relay/traffic.h"

#include <netinet/tcp.h>

#include "base/counter.h"
#include "relay/generation.h"

static struct host_shard *shard_of(const struct conn *c)
{
    const struct group *group = &c->way->line->group;
    return host_shard(group->segment, group->slot, group->hosts[c->target].number);
}

void traffic_count_early(struct conn *c, uint64_t bytes)
{
    counter_add(&c->service->shard->bytes_in, bytes);
}

void traffic_begin(struct conn *c)
{
    c->active_ns = c->relay->moved_ns = c->relay->now_ns;
    counter_add(&shard_of(c)->bytes_in, c->client.in_bytes);
    traffic_uncork(c, &c->client);
    traffic_uncork(c, &c->host);
}

void traffic_count(struct conn *c, const struct half *from, uint64_t bytes)
{
    struct service_shard *service = c->service->shard;
    struct host_shard *host = shard_of(c);

    if (bytes == 0)
        return;
    c->active_ns = c->relay->moved_ns = c->relay->now_ns;
    counter_add(from->is_client ? &service->bytes_in : &service->bytes_out, bytes);
    counter_add(from->is_client ? &host->bytes_in : &host->bytes_out, bytes);
}

void traffic_uncork(const struct conn *c, const struct half *to)
{
    if (!c->service->model->cork || to->watch.fd < 0)
        return;
    setsockopt(to->watch.fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
    setsockopt(to->watch.fd, IPPROTO_TCP, TCP_CORK, &(int){1}, sizeof(int));
}

/* SPDX-License-Identifier: MIT */
/* Connections that wait for a place at a host of their group, first in, first out. */
#include "relay/queue.h"

#include "base/counter.h"
#include "relay/generation.h"

void queue_join(struct conn *c)
{
    if (list_is_linked(&c->queue))
        return;
    list_append(&c->service->line->waiting, &c->queue);
    gauge_add(&c->service->shard->waiting, 1);
}

void queue_leave(struct conn *c)
{
    if (!list_is_linked(&c->queue))
        return;
    list_remove(&c->queue);
    gauge_add(&c->service->shard->waiting, -1);
}

struct conn *queue_first(const struct conn *c)
{
    const struct list_node *waiting = &c->service->line->waiting;
    return list_is_empty(waiting) ? NULL : container_of(waiting->next, struct conn, queue);
}

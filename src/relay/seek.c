/* SPDX-License-Identifier: MIT */
/* Which host a connection is to try next: the group, the stick table, the waiting line, then the scheduler. */
#include "relay/seek.h"

#include "relay/admit.h"
#include "relay/generation.h"

static bool is_waiting(const struct conn *c)
{
    return list_is_linked(&c->queue);
}

/* Which of its groups the service uses now; a number from another configuration may be too high. */
static uint32_t enabled_way(const struct service *service)
{
    uint32_t enabled = atomic_load_explicit(&service->row->enabled, memory_order_relaxed);
    return enabled < service->n_reserve ? enabled : 0;
}

/* The n-th way in the order in which they are tried: the enabled one, then the others. */
static struct way *way_at(const struct service *service, uint32_t enabled, uint32_t n)
{
    if (n == 0)
        return &service->ways[enabled];
    return &service->ways[n <= enabled ? n - 1 : n];
}

/* Where to begin: a connection that some host has failed stays with its group and goes on from there. */
static uint32_t first_to_try(const struct conn *c, uint32_t enabled)
{
    uint32_t n = 0;
    if (c->n_failed > 0)
        while (n + 1 < c->service->n_reserve && way_at(c->service, enabled, n) != c->way)
            n++;
    return n;
}

static void take_way(struct conn *c, struct way *way)
{
    if (c->way == way)
        return;
    c->way = way;
    c->n_tried = 0;
}

/* Others came before: whoever waits longest, over all workers, is to have the next place. */
static bool must_wait(const struct conn *c, const struct group *group)
{
    uint32_t slot;
    uint64_t first = group_line_first(group->segment, group->number, c->relay->now_ns, &slot);
    return first != 0 && c->n_failed == 0 && !(is_waiting(c) && c->ticket == first);
}

static uint64_t key_of(const struct conn *c, const struct addr *client)
{
    const struct model_prefixes *prefixes = &c->service->model->share_sources;
    return stick_key(c->relay->segment, c->way->line->group.number, client, (int)prefixes->inet,
                     (int)prefixes->inet6);
}

/* Sends the client where it was before, if that may be. */
static bool seek_stuck(struct conn *c, const struct pick_request *request)
{
    struct group_line *line = c->way->line;
    uint32_t number, index;

    c->is_spilled = c->is_recalled = false;
    if (line->group.model->sticky_ms == 0 ||
        !stick_find(c->relay->segment, key_of(c, request->client), request->now_ns, &number) ||
        !generation_find_host(line, number, &index))
        return false;
    switch (pick_exactly(&line->group, request, index)) {
    case PICK_CHOSEN:
        c->target = index;
        c->is_recalled = true;
        return true;
    case PICK_FULL:
        /* Another one serves it this time; it comes back when there is room again. */
        c->is_spilled = true;
        return false;
    case PICK_NONE:
        break;
    }
    return false;
}

static enum pick_verdict seek_in_way(struct conn *c, const struct addr *client)
{
    struct group *group = &c->way->line->group;
    struct pick_request request = {
        .now_ns = c->relay->now_ns, .client = client, .n_tried = c->n_tried};

    for (uint32_t i = 0; i < c->n_tried; i++)
        request.tried[i] = c->tried[i];
    if (!pick_has_any(group, &request))
        return PICK_NONE;
    if (must_wait(c, group))
        return PICK_FULL;
    if (seek_stuck(c, &request))
        return PICK_CHOSEN;
    return pick_host(group, &request, &c->target);
}

/* A route has decided: no other group stands in for this one. */
static enum seek_verdict seek_routed(struct conn *c, const struct addr *client)
{
    switch (seek_in_way(c, client)) {
    case PICK_CHOSEN:
        return SEEK_CHOSEN;
    case PICK_FULL:
        return SEEK_WAIT;
    case PICK_NONE:
        break;
    }
    bool is_tried = c->n_failed > 0 || c->had_shortage;
    return !is_tried && c->service->model->when_no_host.action == NO_HOST_HOLD ? SEEK_HOLD
                                                                               : SEEK_NONE;
}

enum seek_verdict seek_host(struct conn *c)
{
    const struct service *service = c->service;
    uint32_t enabled = enabled_way(service);
    uint32_t n_ways = service->model->failover ? service->n_reserve : 1;
    struct way *full = NULL;
    struct addr client;

    admit_read_client(c, &client);
    if (c->is_routed)
        return seek_routed(c, &client);
    for (uint32_t n = first_to_try(c, enabled); n < n_ways; n++) {
        take_way(c, way_at(service, enabled, n));
        enum pick_verdict verdict = seek_in_way(c, &client);
        if (verdict == PICK_CHOSEN) {
            c->is_standby = n > 0;
            c->was_full = full != NULL;
            return SEEK_CHOSEN;
        }
        /* Where nobody may wait for a place, the next group may have one. */
        if (verdict == PICK_FULL && full == NULL)
            full = c->way;
        if (verdict == PICK_FULL && c->way->line->group.model->queue_timeout_ms > 0)
            break;
    }
    if (full != NULL) {
        take_way(c, full);
        return SEEK_WAIT;
    }
    if (c->n_failed > 0 || c->had_shortage)
        return SEEK_NONE;
    take_way(c, way_at(service, enabled, 0));
    return service->model->when_no_host.action == NO_HOST_HOLD ? SEEK_HOLD : SEEK_NONE;
}

void seek_learn(const struct conn *c)
{
    const struct group *group = &c->way->line->group;
    struct addr client;

    if (group->model->sticky_ms == 0 || c->is_spilled)
        return;
    admit_read_client(c, &client);
    stick_put(c->relay->segment, key_of(c, &client), group->hosts[c->target].number,
              c->relay->now_ns, group->model->sticky_ms);
}

void seek_tell_none(const struct conn *c)
{
    const struct group *group = &c->way->line->group;
    uint64_t unshown = 0;

    if (group_may_complain(group->row, c->relay->now_ns, &unshown))
        log_warning("service %s: group %s has no usable host (%llu more not shown)",
                    c->service->model->name, group->model->name, (unsigned long long)unshown);
}

/* SPDX-License-Identifier: MIT */
/* Finds open connections whose host is to have none any more: down with `on_down = close`, or draining over a time. */
#include "relay/sweep.h"

#include "relay/generation.h"

bool sweep_is_due(const struct relay *relay)
{
    return relay->is_sweeping ||
           atomic_load_explicit(&relay->segment->daemon->change, memory_order_relaxed) !=
               relay->seen_change;
}

/*
 * When a connection to a draining host is due: its row's number, spread by the golden ratio
 * (Knuth, The Art of Computer Programming 6.4: multiplicative hashing), tells where in the time.
 */
static uint64_t drain_due_ns(const struct conn *c, uint64_t from_ns, uint64_t until_ns)
{
    uint32_t spread = c->live * UINT32_C(2654435769);
    return from_ns + (uint64_t)((double)(until_ns - from_ns) * ((double)spread / 4294967296.));
}

static enum outcome outcome_of(struct relay *relay, const struct conn *c)
{
    const struct group *group = &c->way->line->group;
    const struct host_row *row = group->hosts[c->target].row;
    uint64_t until_ns = atomic_load_explicit(&row->drain_until_ns, memory_order_relaxed);

    if (until_ns != 0) {
        relay->is_sweeping = true;
        uint64_t from_ns = atomic_load_explicit(&row->drain_from_ns, memory_order_relaxed);
        if (from_ns <= until_ns && relay->now_ns >= drain_due_ns(c, from_ns, until_ns))
            return OUTCOME_KILLED;
    }
    bool is_down = atomic_load_explicit(&row->health, memory_order_relaxed) == HEALTH_DOWN;
    if (is_down && group->model->on_down == ON_DOWN_CLOSE && !group->is_open)
        return OUTCOME_HOST_RESET;
    return OUTCOME_OPEN;
}

void sweep(struct relay *relay, void (*end)(struct conn *c, enum outcome outcome))
{
    /* Before the rows: what changes meanwhile is seen by the next sweep. */
    relay->seen_change = atomic_load(&relay->segment->daemon->change);
    relay->is_sweeping = false;
    LIST_FOREACH_SAFE(node, after, &relay->all) {
        struct conn *c = container_of(node, struct conn, all);
        enum outcome outcome = c->has_claim ? outcome_of(relay, c) : OUTCOME_OPEN;
        if (outcome != OUTCOME_OPEN)
            end(c, outcome);
    }
}

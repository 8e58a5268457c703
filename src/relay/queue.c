/* SPDX-License-Identifier: MIT */
/* Connections that wait for a place at a host of their group, first in, first out over all workers. */
#include "relay/queue.h"

#include "base/counter.h"
#include "relay/early.h"
#include "relay/generation.h"

static uint32_t group_of(const struct conn *c)
{
    return c->way->line->group.number;
}

void queue_init(struct relay *relay)
{
    /* The lines are made when first used: most groups never have one. */
    list_init(&relay->busy_lines);
}

static bool is_busy(const struct queue_line *line)
{
    return line->conns.next != NULL && !list_is_empty(&line->conns);
}

struct conn *queue_first(struct relay *relay, uint32_t group)
{
    struct queue_line *line = &relay->lines[group];
    return is_busy(line) ? container_of(line->conns.next, struct conn, queue) : NULL;
}

/* Tells the other workers who stands first here, and keeps the list of lines somebody waits in. */
static void publish(struct relay *relay, uint32_t group)
{
    struct queue_line *line = &relay->lines[group];
    const struct conn *first = queue_first(relay, group);

    group_line_set_first(relay->segment, group, relay->slot, first != NULL ? first->ticket : 0);
    if (first != NULL && !list_is_linked(&line->busy))
        list_append(&relay->busy_lines, &line->busy);
    if (first == NULL && list_is_linked(&line->busy))
        list_remove(&line->busy);
}

void queue_join(struct conn *c)
{
    struct relay *relay = c->relay;
    uint32_t group = group_of(c);
    struct queue_line *line = &relay->lines[group];

    if (list_is_linked(&c->queue)) {
        if (c->line == group)
            return;
        queue_leave(c);
    }
    if (line->conns.next == NULL)
        list_init(&line->conns);
    c->line = group;
    c->ticket = group_line_ticket(&relay->segment->groups[group]);
    list_append(&line->conns, &c->queue);
    gauge_add(&c->service->shard->waiting, 1);
    publish(relay, group);
}

static uint32_t waited_ms(const struct conn *c)
{
    uint64_t ms = (c->relay->now_ns - c->phase_ns) / CLOCK_NS_PER_MS;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

void queue_leave(struct conn *c)
{
    if (!list_is_linked(&c->queue))
        return;
    list_remove(&c->queue);
    if (c->phase == PHASE_QUEUE)
        c->waited_ms = waited_ms(c);
    gauge_add(&c->service->shard->waiting, -1);
    publish(c->relay, c->line);
}

enum queue_next queue_next(const struct relay *relay, uint32_t group, uint32_t *slot_out)
{
    if (group_line_first(relay->segment, group, relay->now_ns, slot_out) == 0)
        return QUEUE_NOBODY;
    return *slot_out == relay->slot ? QUEUE_OURS : QUEUE_THEIRS;
}

static void serve_line(struct relay *relay, uint32_t group, void (*go_on)(struct conn *c))
{
    uint32_t slot;
    enum queue_next next;

    while ((next = queue_next(relay, group, &slot)) == QUEUE_OURS) {
        struct conn *c = queue_first(relay, group);
        go_on(c);
        if (list_is_linked(&c->queue))
            return;
    }
    if (next == QUEUE_THEIRS)
        bells_ring(&relay->bells, slot);
}

void queue_serve(struct relay *relay, uint32_t group, void (*go_on)(struct conn *c))
{
    if (relay->is_serving_line)
        return;
    relay->is_serving_line = true;
    serve_line(relay, group, go_on);
    relay->is_serving_line = false;
}

void queue_serve_all(struct relay *relay, void (*go_on)(struct conn *c))
{
    if (relay->is_serving_line)
        return;
    relay->is_serving_line = true;
    LIST_FOREACH_SAFE(node, after, &relay->busy_lines)
        serve_line(relay,
                   (uint32_t)(container_of(node, struct queue_line, busy) - relay->lines),
                   go_on);
    relay->is_serving_line = false;
}

int64_t queue_limit_ms(const struct conn *c)
{
    return c->is_held ? c->service->model->when_no_host.hold_ms
                      : c->way->line->group.model->queue_timeout_ms;
}

uint64_t queue_due(const struct conn *c)
{
    uint64_t due_ns = early_due(c, queue_limit_ms(c));
    uint64_t next_ns = c->relay->now_ns + DEADLINE_TICK_MS * CLOCK_NS_PER_MS;
    return next_ns < due_ns ? next_ns : due_ns;
}

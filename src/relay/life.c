/* SPDX-License-Identifier: MIT */
/* The life of a connection: its phases, its one way out. */
#include "relay/life.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/counter.h"
#include "relay/admit.h"
#include "relay/connect.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/queue.h"
#include "relay/traffic.h"
#include "relay/tunnel.h"
#include "relay/watch.h"

/*
 * How it works. Both ends of a connection share one callback, on_half_ready, which hands the
 * event to the row of the connection's phase. A handler moves bytes, then calls settle(), which
 * looks at the facts (who sent FIN, what waits) and derives from them alone whether the
 * connection is over, what must be shut, what to watch for, when it is due. Only this file
 * changes a phase or ends a connection.
 */

enum { BUDGET_BYTES = 1 << 20 };

static void enter(struct conn *c, enum phase phase);
static void settle(struct conn *c, const struct half *spoke_after_end);
static void seek_host(struct conn *c, const void *bytes, size_t length);

/* ---- small questions ---- */

static struct conn *conn_of(struct half *half)
{
    return half->is_client ? container_of(half, struct conn, client)
                           : container_of(half, struct conn, host);
}

static bool is_over(const struct conn *c)
{
    return c->outcome != OUTCOME_OPEN;
}

static struct live_row *row_of(const struct conn *c)
{
    return live_row(c->relay->segment, c->relay->slot, c->live);
}

/* ---- before a host is reached ---- */

/* The client spoke while there is no host: what it sends waits. */
static void client_ready_early(struct conn *c, int revents)
{
    enum early_verdict verdict = EARLY_GOING;

    if ((revents & EV_READ) != 0)
        verdict = early_read(c);
    if (verdict == EARLY_RESET)
        life_end(c, OUTCOME_CLIENT_RESET);
    else if (verdict == EARLY_NO_MEMORY)
        life_end(c, OUTCOME_LIMITED);
    else
        early_watch(c);
}

static bool end_if_left(struct conn *c)
{
    if (early_has_left(c))
        life_end(c, OUTCOME_CLIENT_RESET);
    return is_over(c);
}

/* ---- phase: queue ---- */

/* Place in the line is looked at each tick: a place may have come free at another worker. */
static uint64_t queue_due(const struct conn *c)
{
    uint64_t due_ns = early_due(c, c->service->line->group.model->queue_timeout_ms);
    uint64_t next_ns = c->relay->now_ns + DEADLINE_TICK_MS * CLOCK_NS_PER_MS;
    return next_ns < due_ns ? next_ns : due_ns;
}

static void queue_ready(struct conn *c, struct half *half, int revents)
{
    (void)half;
    client_ready_early(c, revents);
}

static void queue_expired(struct conn *c)
{
    int64_t limit_ms = c->service->line->group.model->queue_timeout_ms;

    if (end_if_left(c))
        return;
    if (c->relay->now_ns >= deadline_after(c->phase_ns, limit_ms))
        life_end(c, OUTCOME_QUEUE_TIMEOUT);
    else if (queue_first(c) == c)
        seek_host(c, NULL, 0);
}

/* ---- phase: connect ---- */

static uint64_t connect_due(const struct conn *c)
{
    return early_due(c, c->service->model->connect_timeout_ms);
}

static void begin_relay(struct conn *c)
{
    connect_succeed(c);
    enter(c, PHASE_RELAY);
    c->active_ns = c->relay->now_ns;
    if (tunnel_flush(c->relay, &c->client) == TUNNEL_WRITE_FAILED)
        c->host.broken = true;
    traffic_begin(c); /* last: it pushes out what the host's cork would hold back */
    settle(c, NULL);
}

static void next_host(struct conn *c, int error)
{
    connect_fail(c, error);
    if (connect_may_retry(c))
        seek_host(c, NULL, 0);
    else
        life_end(c, OUTCOME_CONNECT_FAILED);
}

static void connect_ready(struct conn *c, struct half *half, int revents)
{
    if (half->is_client) {
        client_ready_early(c, revents);
        return;
    }
    if (connect_finish(c) == CONNECT_OPEN)
        begin_relay(c);
    else
        next_host(c, errno);
}

static void connect_expired(struct conn *c)
{
    if (!end_if_left(c))
        next_host(c, ETIMEDOUT);
}

/*
 * One host, claimed in c->target.
 * bytes  in hand, not yet kept; NULL: what the client sent is in client.wait
 * Returns false when the next host is to be tried.
 */
static bool try_host(struct conn *c, const void *bytes, size_t length)
{
    bool is_kept = bytes == NULL;
    size_t sent = 0;

    if (is_kept) {
        bytes = buffer_bytes(&c->client.wait);
        length = c->client.wait.length;
    }
    enum connect_verdict verdict = connect_start(c, bytes, length, &sent);
    if (verdict == CONNECT_FAILED) {
        connect_fail(c, errno);
        return false;
    }
    if (verdict == CONNECT_SHORTAGE) {
        /* Ports run out, a family is missing, for one host and not for another. */
        connect_abandon(c, errno);
        return false;
    }
    if (is_kept)
        buffer_consume(&c->client.wait, &c->relay->buffers, sent);
    else if (buffer_append(&c->client.wait, &c->relay->buffers,
                           (const unsigned char *)bytes + sent,
                           length - sent) < length - sent) {
        life_end(c, OUTCOME_LIMITED);
        return true;
    }
    if (verdict == CONNECT_OPEN) {
        begin_relay(c);
        return true;
    }
    enter(c, PHASE_CONNECT);
    watch_set(c->relay, &c->host, EV_WRITE);
    early_watch(c);
    return true;
}

static void wait_in_line(struct conn *c, const void *bytes, size_t length)
{
    /* `queue_timeout = 0': nobody waits; to the wheel a limit of 0 would be none. */
    if (c->service->line->group.model->queue_timeout_ms == 0) {
        life_end(c, OUTCOME_QUEUE_TIMEOUT);
        return;
    }
    if (bytes != NULL &&
        buffer_append(&c->client.wait, &c->relay->buffers, bytes, length) < length) {
        life_end(c, OUTCOME_LIMITED);
        return;
    }
    if (list_is_linked(&c->queue))
        return;
    queue_join(c);
    enter(c, PHASE_QUEUE);
    early_watch(c);
}

static void end_without_host(struct conn *c)
{
    const struct group *group = &c->service->line->group;
    uint64_t unshown = 0;

    if (c->n_tried == 0 && group_may_complain(group->row, c->relay->now_ns, &unshown))
        log_warning("service %s: group %s has no usable host (%llu more not shown)",
                    c->service->model->name, group->model->name, (unsigned long long)unshown);
    life_end(c, c->n_tried == 0 ? OUTCOME_NO_HOST : OUTCOME_CONNECT_FAILED);
}

/* Chooses hosts until one answers, one is being waited for, or none is left. */
static void seek_host(struct conn *c, const void *bytes, size_t length)
{
    struct group *group = &c->service->line->group;
    const struct conn *first = queue_first(c);
    bool must_wait = first != NULL && first != c && c->n_tried == 0;

    while (!is_over(c)) {
        struct pick_request request = {.now_ns = c->relay->now_ns, .n_tried = c->n_tried};
        for (uint32_t i = 0; i < c->n_tried; i++)
            request.tried[i] = c->tried[i];
        enum pick_verdict verdict =
            must_wait ? PICK_FULL : pick_host(group, &request, &c->target);
        if (verdict == PICK_FULL) {
            wait_in_line(c, bytes, length);
            return;
        }
        if (verdict == PICK_NONE) {
            end_without_host(c);
            return;
        }
        queue_leave(c);
        c->has_claim = true;
        atomic_store_explicit(&row_of(c)->host, group->hosts[c->target].number,
                              memory_order_relaxed);
        if (try_host(c, bytes, length))
            return;
        if (!connect_may_retry(c))
            life_end(c, OUTCOME_CONNECT_FAILED);
    }
}

/* ---- phase: relay ---- */

static uint64_t relay_due(const struct conn *c)
{
    const struct model_service *model = c->service->model;
    bool is_half_closed = c->client.eof || c->host.eof;
    uint64_t due_ns = deadline_after(c->active_ns, is_half_closed ? model->half_close_timeout_ms
                                                                  : model->idle_timeout_ms);
    return c->end_ns != 0 && c->end_ns < due_ns ? c->end_ns : due_ns;
}

static void relay_expired(struct conn *c)
{
    bool is_lifetime = c->end_ns != 0 && c->relay->now_ns >= c->end_ns;
    life_end(c, is_lifetime ? OUTCOME_LIFETIME : OUTCOME_IDLE);
}

/* The host has reset: what it had sent before still goes to the client, then a reset follows. */
static void begin_closing(struct conn *c)
{
    connect_close(c, true);
    tunnel_drop(c->relay, &c->client);
    watch_set(c->relay, &c->client, 0);
    enter(c, PHASE_CLOSING);
}

/* Moves what can be read at one half; the connection may be over afterwards. */
static void pump(struct conn *c, struct half *from)
{
    uint64_t before = from->in_bytes;
    enum tunnel_verdict verdict = tunnel_pump(c->relay, from, BUDGET_BYTES);

    traffic_count(c, from, from->in_bytes - before);
    traffic_uncork(c, from->peer);
    switch (verdict) {
    case TUNNEL_GOING:
        break;
    case TUNNEL_READ_FAILED:
        if (from->is_client)
            life_end(c, OUTCOME_CLIENT_RESET);
        else
            from->eof = from->broken = true;
        break;
    case TUNNEL_WRITE_FAILED:
        if (!from->is_client)
            life_end(c, OUTCOME_CLIENT_RESET);
        else
            c->host.broken = true;
        break;
    }
}

static void flush(struct conn *c, struct half *from)
{
    if (tunnel_flush(c->relay, from) == TUNNEL_WRITE_FAILED) {
        if (from->is_client)
            c->host.broken = true;
        else
            life_end(c, OUTCOME_CLIENT_RESET);
        return;
    }
    c->active_ns = c->relay->now_ns;
    traffic_uncork(c, from->peer);
}

static void relay_ready(struct conn *c, struct half *half, int revents)
{
    bool spoke_after_end = half->eof;

    if ((revents & EV_WRITE) != 0 && tunnel_holds(half->peer))
        flush(c, half->peer);
    if (!is_over(c) && (revents & EV_READ) != 0 && watch_may_read(half))
        pump(c, half);
    settle(c, spoke_after_end ? half : NULL);
}

/* Everything that one side sent has been passed on: its FIN goes on too. */
static void pass_on_end(struct half *from)
{
    struct half *to = from->peer;

    if (!from->eof || tunnel_holds(from) || to->shut || to->broken)
        return;
    to->shut = true;
    to->shut_first = !to->eof;
    to->io->shut(to->watch.fd, to->io_state);
}

/* Derives from the facts what the connection in PHASE_RELAY needs now. */
static void settle(struct conn *c, const struct half *spoke_after_end)
{
    struct half *client = &c->client, *host = &c->host;

    if (is_over(c) || c->phase != PHASE_RELAY)
        return;
    if (host->broken) {
        /* Nothing more goes there, but what it sent before it broke may still be read. */
        tunnel_drop(c->relay, client);
        if (watch_may_read(host))
            pump(c, host);
        if (is_over(c))
            return;
        if (host->eof) {
            begin_closing(c);
            return;
        }
    }
    bool client_done = client->eof && !tunnel_holds(client);
    bool host_done = host->eof && !tunnel_holds(host);
    if ((client_done && host_done) ||
        (!c->service->model->half_close && (client_done || host_done))) {
        life_end(c, OUTCOME_OK);
        return;
    }
    pass_on_end(client);
    pass_on_end(host);
    watch_set(c->relay, client, watch_interest(client, spoke_after_end == client));
    watch_set(c->relay, host, watch_interest(host, spoke_after_end == host));
    if (client->eof || host->eof)
        deadline_hang(&c->relay->wheel, &c->deadline, relay_due(c));
}

/* ---- phase: closing ---- */

/*
 * A reset throws away what the kernel has not sent: it waits until the client has it all. Nothing
 * waits in our own buffers, for the host's end is read only once all before it was written;
 * so nothing is watched, the wheel looks at each tick.
 */
static void closing_step(struct conn *c)
{
    int unsent = sock_unacknowledged(c->client.watch.fd);

    assert(!tunnel_holds(&c->host));
    if (sock_take_error(c->client.watch.fd) != 0 || unsent <= 0) {
        life_end(c, OUTCOME_HOST_RESET);
        return;
    }
    /* A slow client that takes what there is may take its time. */
    if ((uint32_t)unsent != c->unsent_bytes)
        c->active_ns = c->relay->now_ns;
    c->unsent_bytes = (uint32_t)unsent;
}

static uint64_t closing_due(const struct conn *c)
{
    return c->relay->now_ns + DEADLINE_TICK_MS * CLOCK_NS_PER_MS;
}

static void closing_expired(struct conn *c)
{
    int64_t limit_ms = c->service->model->half_close_timeout_ms;

    closing_step(c);
    if (!is_over(c) && c->relay->now_ns >= deadline_after(c->active_ns, limit_ms))
        life_end(c, OUTCOME_HOST_RESET);
}

/* ---- the phases ---- */

static const struct {
    uint64_t (*due_ns)(const struct conn *c);
    void (*on_ready)(struct conn *c, struct half *half,
                     int revents); /* NULL: nothing is watched */
    void (*on_expired)(struct conn *c);
} phases[PHASES] = {
    [PHASE_QUEUE] = {queue_due, queue_ready, queue_expired},
    [PHASE_CONNECT] = {connect_due, connect_ready, connect_expired},
    [PHASE_RELAY] = {relay_due, relay_ready, relay_expired},
    [PHASE_CLOSING] = {closing_due, NULL, closing_expired},
};

static void enter(struct conn *c, enum phase phase)
{
    c->phase = phase;
    if (phase != PHASE_CONNECT)
        c->phase_ns = c->relay->now_ns;
    atomic_store_explicit(&row_of(c)->phase, phase, memory_order_relaxed);
    deadline_hang(&c->relay->wheel, &c->deadline, phases[phase].due_ns(c));
    if (phase == PHASE_CLOSING)
        closing_step(c);
}

uint64_t life_look(struct deadline *deadline, uint64_t now_ns)
{
    struct conn *c = container_of(deadline, struct conn, deadline);
    uint64_t due_ns = phases[c->phase].due_ns(c);

    if (due_ns > now_ns && c->phase != PHASE_QUEUE && c->phase != PHASE_CLOSING)
        return due_ns;
    phases[c->phase].on_expired(c);
    return is_over(c) ? 0 : phases[c->phase].due_ns(c);
}

static void on_half_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct half *half = container_of(watch, struct half, watch);
    struct conn *c = conn_of(half);

    (void)loop;
    phases[c->phase].on_ready(c, half, revents);
}

/* ---- beginning ---- */

void life_start(struct relay *relay, const struct life_arrival *arrival)
{
    struct conn *c = admit_new(relay, arrival, on_half_ready);
    size_t length = 0;

    if (c == NULL) {
        sock_arm_reset(arrival->fd);
        close(arrival->fd);
        return;
    }
    /* Most clients speak first, and have: what is there now goes out with the connect. */
    switch (
        c->client.io->read(arrival->fd, NULL, relay->scratch, relay->scratch_bytes, &length)) {
    case IO_OK:
        c->client.in_bytes = length;
        traffic_count_early(c, length);
        break;
    case IO_EOF:
        c->client.eof = true;
        break;
    case IO_AGAIN:
        break;
    case IO_ERROR:
        life_end(c, OUTCOME_CLIENT_RESET);
        return;
    }
    seek_host(c, length > 0 ? relay->scratch : NULL, length);
}

/* ---- the one way out ---- */

/* Endings after which the client must not take what it got for all there was. */
static const bool resets_client[OUTCOMES] = {
    [OUTCOME_CONNECT_FAILED] = true, [OUTCOME_NO_HOST] = true, [OUTCOME_QUEUE_TIMEOUT] = true,
    [OUTCOME_HOST_RESET] = true,     [OUTCOME_LIMITED] = true,
};

static void close_ends(struct conn *c)
{
    bool with_reset = resets_client[c->outcome] || tunnel_holds(&c->host);
    bool resets_host = c->outcome == OUTCOME_CLIENT_RESET || tunnel_holds(&c->client);

    ev_io_stop(c->relay->loop, &c->client.watch);
    if (with_reset)
        sock_arm_reset(c->client.watch.fd);
    close(c->client.watch.fd);
    c->client.watch.fd = -1;
    if (c->host.watch.fd >= 0)
        connect_close(c, resets_host);
    tunnel_drop(c->relay, &c->client);
    tunnel_drop(c->relay, &c->host);
}

static void give_place_back(struct conn *c)
{
    struct relay *relay = c->relay;

    if (!c->has_claim)
        return;
    pick_release(&c->service->line->group, c->target);
    c->has_claim = false;
    /* One that ends at once gives its place back here again: the outer call serves the line. */
    if (relay->is_serving_line)
        return;
    relay->is_serving_line = true;
    for (struct conn *next = queue_first(c); next != NULL; next = queue_first(c)) {
        seek_host(next, NULL, 0);
        if (list_is_linked(&next->queue))
            break;
    }
    relay->is_serving_line = false;
}

void life_end(struct conn *c, enum outcome outcome)
{
    struct relay *relay = c->relay;

    if (is_over(c))
        return;
    c->outcome = outcome;
    queue_leave(c);
    deadline_drop(&relay->wheel, &c->deadline);
    close_ends(c);
    access_log_add(&relay->access, c);

    gauge_add(&c->service->shard->connections, -1);
    counter_add(&c->service->shard->outcomes[outcome], 1);
    atomic_store_explicit(&row_of(c)->id, 0, memory_order_release);
    live_give(&relay->live, c->live);
    list_remove(&c->all);
    list_append(&relay->graves, &c->all);
    relay->n_open--;
    give_place_back(c);
    relay->on_end(relay->owner);
}

void life_end_all(struct relay *relay, enum outcome outcome)
{
    /* Who waits first: the places that come free are not for them any more. */
    LIST_FOREACH_SAFE(node, after, &relay->all) {
        struct conn *c = container_of(node, struct conn, all);
        if (c->phase == PHASE_QUEUE)
            life_end(c, outcome);
    }
    while (!list_is_empty(&relay->all))
        life_end(container_of(relay->all.next, struct conn, all), outcome);
}

void life_bury(struct relay *relay)
{
    while (!list_is_empty(&relay->graves)) {
        struct conn *c = container_of(relay->graves.next, struct conn, all);
        list_remove(&c->all);
        generation_put(c->generation);
        pool_give(&relay->conns, c);
    }
}

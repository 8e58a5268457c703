/* SPDX-License-Identifier: MIT */
/* The life of a connection: its phases, its one way out. */
#include "relay/life.h"

#include <errno.h>
#include <unistd.h>

#include "base/counter.h"
#include "relay/carry.h"
#include "relay/connect.h"
#include "relay/due.h"
#include "relay/early.h"
#include "relay/ends.h"
#include "relay/generation.h"
#include "relay/handshake.h"
#include "relay/ocsp.h"
#include "relay/opening.h"
#include "relay/queue.h"
#include "relay/reach.h"
#include "relay/report.h"
#include "relay/seek.h"
#include "relay/signpost.h"
#include "relay/sorry.h"
#include "relay/sweep.h"
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

static void enter(struct conn *c, enum phase phase);
static void opening_ready(struct conn *c, struct half *half, int revents);
static void settle(struct conn *c, const struct half *spoke_after_end);
static void seek(struct conn *c, const void *bytes, size_t length);
static void seek_kept(struct conn *c);
static void end_or_say_sorry(struct conn *c, enum outcome outcome);
static void serve_waiting(struct relay *relay, uint32_t group);

static bool is_over(const struct conn *c)
{
    return c->outcome != OUTCOME_OPEN;
}

static void end_if(struct conn *c, enum outcome outcome)
{
    if (outcome != OUTCOME_OPEN)
        life_end(c, outcome);
}

/* ---- phases: proxy, hello, starttls, handshake, ocsp ---- */

/* Goes on with the phases of the opening, then with the search for a host. */
static void open_on(struct conn *c, enum phase phase)
{
    if (phase == PHASE_QUEUE) {
        if (!c->service->looks_ahead)
            signpost_point(c, NULL);
        seek_kept(c);
        return;
    }
    enter(c, phase);
    opening_ready(c, &c->client, EV_READ);
}

static void opening_goes(struct conn *c, enum opening_verdict verdict)
{
    if (verdict == OPENING_MORE)
        opening_watch(c);
    else if (verdict == OPENING_DONE)
        open_on(c, opening_next(c, c->phase));
    else
        life_end(c, refusal_outcome(verdict));
}

static void opening_expired(struct conn *c)
{
    opening_goes(c, opening_late(c));
}

static void opening_go_on(struct conn *c)
{
    opening_goes(c, opening_step(c));
}

static void opening_ready(struct conn *c, struct half *half, int revents)
{
    (void)half, (void)revents;
    opening_go_on(c);
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

static void queue_ready(struct conn *c, struct half *half, int revents)
{
    (void)half;
    client_ready_early(c, revents);
}

static void queue_expired(struct conn *c)
{
    uint32_t slot;

    if (end_if_left(c))
        return;
    if (c->relay->now_ns >= deadline_after(c->phase_ns, queue_limit_ms(c)))
        life_end(c, c->is_held ? OUTCOME_NO_HOST : OUTCOME_QUEUE_TIMEOUT);
    else if (queue_first(c->relay, c->line) == c &&
             queue_next(c->relay, c->line, &slot) == QUEUE_OURS)
        seek_kept(c);
}

/* ---- phase: connect ---- */

static void begin_relay(struct conn *c)
{
    connect_succeed(c);
    enter(c, PHASE_RELAY);
    c->active_ns = c->relay->now_ns;
    if (tunnel_flush(c->relay, &c->client) == TUNNEL_WRITE_FAILED)
        c->host.broken = true;
    access_log_start(&c->relay->access, c);
    traffic_begin(c); /* last: it pushes out what the host's cork would hold back */
    settle(c, NULL);
}

static void next_host(struct conn *c, const struct reach_failure *failure)
{
    if (failure->reason[0] != '\0')
        connect_fail_tls(c, failure->reason);
    else if (sock_is_shortage(failure->error))
        connect_abandon(c, failure->error);
    else
        connect_fail(c, failure->error);
    if (connect_may_retry(c))
        seek_kept(c);
    else
        life_end(c, OUTCOME_CONNECT_FAILED);
}

static void reach_goes(struct conn *c, enum reach_verdict verdict,
                       const struct reach_failure *failure)
{
    if (verdict == REACH_DONE)
        begin_relay(c);
    else if (verdict == REACH_FAILED)
        next_host(c, failure);
}

/* The host's socket is open. */
static void reach(struct conn *c)
{
    struct reach_failure failure;

    if (!reach_is_immediate(c)) {
        enter(c, PHASE_CONNECT);
        early_watch(c);
    }
    reach_goes(c, reach_begin(c, &failure), &failure);
}

void life_shaken(struct conn *c)
{
    struct reach_failure failure;

    if (c->phase == PHASE_HANDSHAKE)
        opening_goes(c, handshake_take(c));
    else
        reach_goes(c, reach_step(c, true, &failure), &failure);
}

static void connect_ready(struct conn *c, struct half *half, int revents)
{
    struct reach_failure failure;

    if (half->is_client)
        client_ready_early(c, revents);
    else if (reach_is_under_way(c))
        reach_goes(c, reach_step(c, false, &failure), &failure);
    else if (connect_finish(c) == CONNECT_OPEN)
        reach(c);
    else
        next_host(c, &(struct reach_failure){.error = errno});
}

static void connect_expired(struct conn *c)
{
    if (!end_if_left(c))
        next_host(c, &(struct reach_failure){.error = ETIMEDOUT});
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
    enum connect_verdict verdict = connect_try(c, bytes, length, &sent);
    if (verdict == CONNECT_FAILED || verdict == CONNECT_SHORTAGE)
        return false;
    if (is_kept)
        buffer_consume(&c->client.wait, &c->relay->buffers, sent);
    else if (!early_keep(c, (const unsigned char *)bytes + sent, length - sent)) {
        life_end(c, OUTCOME_LIMITED);
        return true;
    }
    if (verdict == CONNECT_OPEN) {
        reach(c);
        return true;
    }
    enter(c, PHASE_CONNECT);
    watch_set(c->relay, &c->host, EV_WRITE);
    early_watch(c);
    return true;
}

/*
 * Waits for a place at a host of its way's group, or for any host to come back.
 * bytes  in hand, not yet kept; NULL: what the client sent is in client.wait
 */
static void wait_in_line(struct conn *c, bool is_held, const void *bytes, size_t length)
{
    profile_enter(&c->relay->profile, PROFILE_QUEUE);
    c->is_held = is_held;
    /* `queue_timeout = 0': nobody waits; to the wheel a limit of 0 would be none. */
    if (queue_limit_ms(c) == 0) {
        life_end(c, OUTCOME_QUEUE_TIMEOUT);
        return;
    }
    if (bytes != NULL && !early_keep(c, bytes, length)) {
        life_end(c, OUTCOME_LIMITED);
        return;
    }
    bool is_new = !list_is_linked(&c->queue);
    queue_join(c);
    if (!is_new)
        return;
    enter(c, PHASE_QUEUE);
    early_watch(c);
    /* A place that came free before we stood in the line was told to nobody. */
    serve_waiting(c->relay, c->line);
}

/* No host was to be had. bytes as in wait_in_line. */
static void end_without_host(struct conn *c, const void *bytes, size_t length)
{
    struct group_line *line = c->way->line;
    bool is_tried = c->n_failed > 0 || c->had_shortage;

    if (c->n_failed == 0 && c->may_pass && line->group.model->queue_timeout_ms > 0) {
        /* No host has failed, we have: when others end there are ports and descriptors again. */
        c->n_tried = 0;
        wait_in_line(c, false, bytes, length);
        return;
    }
    if (!is_tried)
        seek_tell_none(c);
    end_or_say_sorry(c, is_tried ? OUTCOME_CONNECT_FAILED : OUTCOME_NO_HOST);
}

/* Chooses hosts until one answers, one is being waited for, or none is left. */
static void seek(struct conn *c, const void *bytes, size_t length)
{
    profile_enter(&c->relay->profile, PROFILE_CONNECT);
    while (!is_over(c)) {
        enum seek_verdict verdict = seek_host(c);
        if (verdict == SEEK_WAIT || verdict == SEEK_HOLD) {
            wait_in_line(c, verdict == SEEK_HOLD, bytes, length);
            return;
        }
        if (verdict == SEEK_NONE) {
            end_without_host(c, bytes, length);
            return;
        }
        queue_leave(c);
        c->has_claim = true;
        atomic_store_explicit(&admit_row(c)->host, c->way->line->group.hosts[c->target].number,
                              memory_order_relaxed);
        if (try_host(c, bytes, length))
            return;
        if (!connect_may_retry(c))
            end_or_say_sorry(c, OUTCOME_CONNECT_FAILED);
    }
}

/* What the client has sent is kept. */
static void seek_kept(struct conn *c)
{
    seek(c, NULL, 0);
}

/* ---- phase: relay ---- */

static void relay_expired(struct conn *c)
{
    if (due_relay_limit(c) > c->relay->now_ns) {
        access_log_go_on(&c->relay->access, c);
        return;
    }
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

static void relay_ready(struct conn *c, struct half *half, int revents)
{
    bool spoke_after_end = half->eof;

    if ((revents & EV_WRITE) != 0 && tunnel_holds(half->peer))
        end_if(c, carry_kept(c, half->peer));
    if (!is_over(c) && watch_is_readable(half, revents) && watch_may_read(half))
        end_if(c, carry(c, half));
    settle(c, spoke_after_end ? half : NULL);
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
            end_if(c, carry(c, host));
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
    tunnel_pass_end(client);
    tunnel_pass_end(host);
    watch_set(c->relay, client, watch_interest(client, spoke_after_end == client));
    watch_set(c->relay, host, watch_interest(host, spoke_after_end == host));
    if (client->eof || host->eof)
        deadline_hang(&c->relay->wheel, &c->deadline, due_relay(c));
}

/* ---- phase: closing ---- */

static void closing_expired(struct conn *c)
{
    if (ends_is_over(c))
        life_end(c, OUTCOME_HOST_RESET);
}

/* ---- phase: sorry ---- */

static void sorry_goes(struct conn *c, enum sorry_verdict verdict)
{
    if (verdict == SORRY_DONE)
        life_end(c, c->sorry_for);
}

static void sorry_half_ready(struct conn *c, struct half *half, int revents)
{
    (void)half;
    sorry_goes(c, sorry_ready(c, revents));
}

static void sorry_expired(struct conn *c)
{
    life_end(c, c->sorry_for);
}

/* Ends the connection, with `when_no_host = sorry` after the client was told. */
static void end_or_say_sorry(struct conn *c, enum outcome outcome)
{
    if (!sorry_begin(c)) {
        life_end(c, outcome);
        return;
    }
    queue_leave(c);
    c->sorry_for = outcome;
    enter(c, PHASE_SORRY);
    sorry_goes(c, sorry_step(c));
}

/* ---- the phases ---- */

static const struct {
    uint64_t (*due_ns)(const struct conn *c);
    void (*on_ready)(struct conn *c, struct half *half,
                     int revents); /* NULL: nothing is watched */
    void (*on_expired)(struct conn *c);
} phases[PHASES] = {
    [PHASE_PROXY] = {opening_due, opening_ready, opening_expired},
    [PHASE_HELLO] = {opening_due, opening_ready, opening_expired},
    [PHASE_STARTTLS] = {opening_due, opening_ready, opening_expired},
    [PHASE_HANDSHAKE] = {opening_due, opening_ready, opening_expired},
    [PHASE_OCSP] = {opening_due, opening_ready, opening_expired},
    [PHASE_QUEUE] = {queue_due, queue_ready, queue_expired},
    [PHASE_CONNECT] = {due_connect, connect_ready, connect_expired},
    [PHASE_RELAY] = {due_relay, relay_ready, relay_expired},
    [PHASE_CLOSING] = {due_closing, NULL, closing_expired},
    [PHASE_SORRY] = {due_sorry, sorry_half_ready, sorry_expired},
};

static void enter(struct conn *c, enum phase phase)
{
    c->phase = phase;
    if (phase != PHASE_CONNECT)
        c->phase_ns = c->relay->now_ns;
    atomic_store_explicit(&admit_row(c)->phase, phase, memory_order_relaxed);
    deadline_hang(&c->relay->wheel, &c->deadline, phases[phase].due_ns(c));
    if (phase == PHASE_CLOSING)
        closing_expired(c);
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
    profile_enter_phase(&c->relay->profile, c->phase);
    if (c->phase > PHASE_HANDSHAKE) {
        phases[c->phase].on_ready(c, half, revents);
    } else if (ration_begin(&c->relay->ration)) {
        opening_ready(c, half, revents);
        ration_end(&c->relay->ration);
    }
}

/* ---- beginning ---- */

void life_start(struct relay *relay, const struct life_arrival *arrival)
{
    struct conn *c = admit_new(relay, arrival, on_half_ready);
    size_t length = 0;

    if (c == NULL) {
        sock_arm_reset(arrival->fd);
        close(arrival->fd);
        admit_leave_service(relay, arrival->service);
        return;
    }
    enum phase opening = opening_first(c);
    enum outcome outcome = !opening_may_begin(c, arrival->client) ? OUTCOME_DENIED
                           : opening == PHASE_PROXY               ? OUTCOME_OPEN
                                                    : admit_enter(c, arrival->client);
    if (outcome != OUTCOME_OPEN) {
        life_end(c, outcome);
        return;
    }
    if (opening != PHASE_QUEUE) {
        open_on(c, opening);
        return;
    }
    signpost_point(c, NULL);
    if (early_take(c, &length) == EARLY_RESET)
        life_end(c, OUTCOME_CLIENT_RESET);
    else
        seek(c, length > 0 ? relay->scratch : NULL, length);
}

/* ---- the one way out ---- */

/* A place came free in this group. */
static void serve_waiting(struct relay *relay, uint32_t group)
{
    queue_serve(relay, group, seek_kept);
}

static void give_place_back(struct conn *c)
{
    if (!c->has_claim)
        return;
    c->has_claim = false;
    pick_release(&c->way->line->group, c->target);
    serve_waiting(c->relay, c->way->line->group.number);
}

void life_end(struct conn *c, enum outcome outcome)
{
    struct relay *relay = c->relay;

    if (is_over(c))
        return;
    profile_enter(&relay->profile, PROFILE_CLOSING);
    c->outcome = outcome;
    queue_leave(c);
    deadline_drop(&relay->wheel, &c->deadline);
    ends_close(c);
    access_log_add(&relay->access, c);

    admit_leave(c);
    counter_add(&c->service->shard->outcomes[outcome], 1);
    atomic_store_explicit(&admit_row(c)->id, 0, memory_order_release);
    live_give(&relay->live, c->live);
    list_remove(&c->all);
    if (list_is_linked(&c->unread))
        list_remove(&c->unread);
    list_append(&relay->graves, &c->all);
    relay->n_open--;
    give_place_back(c);
    relay->on_end(relay->owner);
}

void life_look_again(struct relay *relay)
{
    ocsp_serve(relay, opening_go_on);
    queue_serve_all(relay, seek_kept);
    report_serve(relay, life_end);
    if (!sweep_is_due(relay))
        return;
    /* Places that come free are given away when all are ended: the list that is walked must not change. */
    relay->is_serving_line = true;
    sweep(relay, life_end);
    relay->is_serving_line = false;
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
        opening_forget(c);
        generation_put(c->generation);
        pool_give(&relay->conns, c);
    }
}

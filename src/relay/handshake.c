/* SPDX-License-Identifier: MIT */
/* TLS handshakes with clients: the loop moves bytes, other threads do the rest. */
#include "relay/handshake.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "base/task.h"
#include "net/plain.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "tls/stream.h"

/* Of a handshake thread: a worker's loop goes first where both want the same core. */
enum { SHAKER_NICENESS = 5 };

struct shake {
    struct conn *c; /* NULL: it has ended */
    struct relay *relay;
    struct generation *generation; /* counted while the job is out */
    struct tls_stream *stream;     /* owned until the handshake is over */
    enum tls_step step;            /* of the latest run */
    bool is_out;                   /* handed to another thread, whose alone the stream is */
    bool was_run;                  /* the latest job was done, not dropped */
    bool has_spoken;               /* the client has sent something */
    bool has_answer;               /* and heard from us */
    bool has_ended;                /* and sent its FIN, perhaps behind all that is needed */
    atomic_bool is_abandoned;      /* nobody waits for it any more */
};

/* ---- on another thread ---- */

static void run(void *argument)
{
    struct shake *shake = argument;
    if (atomic_load_explicit(&shake->is_abandoned, memory_order_relaxed))
        return;
    shake->was_run = true;
    shake->step = tls_stream_shake(shake->stream);
}

/* ---- on the loop ---- */

static void shake_free(struct shake *shake)
{
    tls_stream_free(shake->stream);
    free(shake);
}

/* Its connection may have gone meanwhile. */
static void on_run(void *argument)
{
    struct shake *shake = argument;
    struct conn *c = shake->c;

    shake->is_out = false;
    shake->relay->shakes.n_out--;
    if (c == NULL) {
        struct generation *generation = shake->generation;
        shake_free(shake);
        generation_put(generation);
        return;
    }
    generation_put(shake->generation);
    shake->relay->on_shaken(c);
}

static void on_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct relay *relay = watch->data;
    (void)loop;
    (void)revents;
    profile_enter(&relay->profile, PROFILE_HANDSHAKE);
    task_collect(relay->shakes.threads);
}

static bool have_threads(struct relay *relay)
{
    struct shakes *shakes = &relay->shakes;

    if (shakes->threads != NULL)
        return true;
    shakes->threads = task_threads_new_nice(1, SHAKER_NICENESS);
    if (shakes->threads == NULL)
        return false;
    ev_io_init(&shakes->watch, on_ready, task_threads_fd(shakes->threads), EV_READ);
    shakes->watch.data = relay;
    ev_io_start(relay->loop, &shakes->watch);
    return true;
}

void handshake_prepare(struct relay *relay, const struct generation *generation)
{
    for (size_t i = 0; i < generation->model->n_services; i++)
        if (generation->services[i].tls != NULL && have_threads(relay))
            return;
}

/* Hands the next step to another thread; false when that cannot be. */
static bool hand_out(struct shake *shake)
{
    struct relay *relay = shake->relay;

    if (!have_threads(relay) || relay->shakes.n_out >= SHAKES_MOST)
        return false;
    shake->was_run = false;
    if (task_submit(relay->shakes.threads, run, on_run, shake) != 0)
        return false;
    shake->is_out = true;
    shake->generation = generation_get(shake->c->generation);
    relay->shakes.n_out++;
    return true;
}

static bool begin(struct conn *c)
{
    if (c->shake != NULL)
        return true;
    c->shake = calloc(1, sizeof *c->shake);
    if (c->shake == NULL)
        return false;
    *c->shake = (struct shake){.c = c,
                               .relay = c->relay,
                               .stream = tls_stream_accept(c->service->tls),
                               .step = TLS_WANTS_READ};
    if (c->shake->stream != NULL)
        return true;
    free(c->shake);
    c->shake = NULL;
    return false;
}

/* ---- bytes ---- */

enum flow { FLOW_ON, FLOW_BLOCKED, FLOW_END, FLOW_RESET, FLOW_NO_MEMORY };

/* Sends what there is to say. */
static enum flow answer(struct conn *c)
{
    size_t length, sent;
    const unsigned char *bytes;

    while (bytes = tls_stream_answer(c->shake->stream, &length), length > 0) {
        switch (plain_transport.write(c->client.watch.fd, NULL, bytes, length, &sent)) {
        case IO_OK:
            c->shake->has_answer = true;
            tls_stream_sent(c->shake->stream, sent);
            break;
        case IO_AGAIN:
            return FLOW_BLOCKED;
        case IO_EOF:
        case IO_ERROR:
            return FLOW_RESET;
        }
    }
    return FLOW_ON;
}

/* Reads what there is into client.wait. */
static enum flow listen_to(struct conn *c)
{
    struct relay *relay = c->relay;
    size_t room = buffer_room(&c->client.wait, &relay->buffers), length = 0;

    if (room == 0)
        return FLOW_BLOCKED;
    switch (plain_transport.read(c->client.watch.fd, NULL, relay->scratch, room, &length)) {
    case IO_OK:
        c->shake->has_spoken = true;
        return early_keep(c, relay->scratch, length) ? FLOW_ON : FLOW_NO_MEMORY;
    case IO_AGAIN:
        return FLOW_BLOCKED;
    case IO_EOF:
        return FLOW_END;
    case IO_ERROR:
        break;
    }
    return FLOW_RESET;
}

/* Gives what was kept to the stream. */
static bool feed(struct conn *c)
{
    struct buffer *wait = &c->client.wait;
    bool is_fed = wait->length == 0 ||
                  tls_stream_feed(c->shake->stream, buffer_bytes(wait), wait->length);
    buffer_fini(wait, &c->relay->buffers);
    return is_fed;
}

/* ---- the end ---- */

/* Now the client's end is the stream; its first bytes may have come with the last of the handshake. */
static enum opening_verdict finish(struct conn *c)
{
    struct tls_stream *stream = c->shake->stream;
    struct service_shard *shard = c->service->shard;
    struct tls_facts facts;

    c->shake->stream = NULL;
    shake_free(c->shake);
    c->shake = NULL;
    tls_stream_settle(stream);
    c->client.io = &tls_transport;
    c->client.io_state = stream;
    c->client.in_bytes = 0;
    tls_stream_tell(stream, &facts);
    counter_add(facts.is_resumed ? &shard->handshakes_resumed : &shard->handshakes_full, 1);
    if (!opening_route_by_facts(c, &facts))
        return OPENING_LIMITED;
    switch (early_read(c)) {
    case EARLY_GOING:
        break;
    case EARLY_RESET:
        return OPENING_LEFT;
    case EARLY_NO_MEMORY:
        return OPENING_LIMITED;
    }
    return OPENING_DONE;
}

/* The stream is ours: goes on until it needs another thread or the client. */
static enum opening_verdict go_on(struct conn *c)
{
    struct shake *shake = c->shake;

    for (;;) {
        switch (answer(c)) {
        case FLOW_BLOCKED:
            return OPENING_MORE;
        case FLOW_RESET:
            return OPENING_LEFT;
        case FLOW_ON:
        case FLOW_END:
        case FLOW_NO_MEMORY:
            break;
        }
        if (shake->step == TLS_FAILED)
            return opening_refuse(c, "TLS handshake", tls_stream_reason(shake->stream));
        bool has_more = c->client.wait.length > 0;
        if (has_more && !feed(c))
            return OPENING_LIMITED;
        if (shake->step == TLS_DONE)
            return finish(c);
        if (!has_more)
            return OPENING_MORE;
        if (!tls_stream_is_light(shake->stream))
            return hand_out(shake) ? OPENING_MORE : OPENING_LIMITED;
        shake->step = tls_stream_shake(shake->stream);
    }
}

static enum opening_verdict end_early(struct conn *c)
{
    return c->shake->has_spoken
               ? opening_refuse(c, "TLS handshake", "the client ended before it was complete")
               : OPENING_LEFT;
}

enum opening_verdict handshake_step(struct conn *c)
{
    if (!begin(c))
        return OPENING_LIMITED;
    switch (listen_to(c)) {
    case FLOW_ON:
    case FLOW_BLOCKED:
        break;
    case FLOW_END:
        c->shake->has_ended = true;
        /* Who has not heard from us cannot have said all: it has left. */
        if (c->shake->is_out && c->shake->has_answer)
            break;
        return end_early(c);
    case FLOW_RESET:
        return OPENING_LEFT;
    case FLOW_NO_MEMORY:
        return OPENING_LIMITED;
    }
    return c->shake->is_out ? OPENING_MORE : go_on(c);
}

enum opening_verdict handshake_take(struct conn *c)
{
    enum opening_verdict verdict = go_on(c);
    bool is_short = verdict == OPENING_MORE && c->shake->has_ended && !c->shake->is_out;
    return is_short ? end_early(c) : verdict;
}

int handshake_interest(const struct conn *c)
{
    size_t unsent = 0;
    bool has_room = buffer_room(&c->client.wait, &c->relay->buffers) > 0;
    bool may_read = has_room && !c->shake->has_ended;

    if (!c->shake->is_out)
        tls_stream_answer(c->shake->stream, &unsent);
    return (may_read ? EV_READ : 0) | (unsent > 0 ? EV_WRITE : 0);
}

void handshake_drop(struct conn *c)
{
    struct shake *shake = c->shake;

    if (shake == NULL)
        return;
    c->shake = NULL;
    if (!shake->is_out) {
        shake_free(shake);
        return;
    }
    shake->c = NULL;
    atomic_store_explicit(&shake->is_abandoned, true, memory_order_relaxed);
    counter_add(&c->service->shard->handshakes_abandoned, 1);
}

void handshake_fini(struct relay *relay)
{
    if (relay->shakes.threads == NULL)
        return;
    ev_io_stop(relay->loop, &relay->shakes.watch);
    task_threads_free(relay->shakes.threads);
    relay->shakes.threads = NULL;
}

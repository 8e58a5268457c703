/* SPDX-License-Identifier: MIT */
/* A TLS handshake at one end of a connection: the loop moves its bytes, another thread does what takes long. */
#include "relay/shake.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "base/task.h"
#include "net/plain.h"
#include "relay/generation.h"

/* Of the thread: a worker's loop goes first where both want the same core. */
enum { SHAKER_NICENESS = 5 };

struct shake {
    struct conn *c; /* NULL: it has ended, or has given this up */
    struct half *half;
    struct relay *relay;
    struct generation *generation; /* counted while the job is out */
    struct tls_stream *stream;     /* owned until the handshake is over */
    enum tls_step step;            /* of the latest run */
    bool is_out;                   /* handed to another thread, whose alone the stream is */
    bool begins;                   /* the first word is ours, and it was not said yet */
    bool has_heard;                /* the other side has sent something */
    bool has_spoken;               /* we have */
    bool has_ended;         /* the other side's FIN came, perhaps behind all that is needed */
    bool is_in_vain;        /* the other side left before its turn */
    atomic_bool is_dropped; /* nobody waits for it any more */
};

/* ---- on another thread ---- */

static void run(void *argument)
{
    struct shake *shake = argument;
    if (atomic_load_explicit(&shake->is_dropped, memory_order_relaxed))
        return;
    shake->step = tls_stream_shake(shake->stream, true);
}

/* ---- on the loop ---- */

static void shake_free(struct shake *shake, struct generation *generation)
{
    tls_stream_free(shake->stream);
    free(shake);
    generation->n_shakes--;
}

/* Its connection may have gone meanwhile. */
static void on_run(void *argument)
{
    struct shake *shake = argument;
    struct conn *c = shake->c;
    struct generation *generation = shake->generation;

    shake->is_out = false;
    shake->relay->shakes.n_out--;
    if (c == NULL)
        shake_free(shake, generation);
    else
        shake->relay->on_shaken(c);
    generation_put(generation);
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
    slice_shorten(); /* of the loop, whose thread this is */
    ev_io_init(&shakes->watch, on_ready, task_threads_fd(shakes->threads), EV_READ);
    shakes->watch.data = relay;
    ev_io_start(relay->loop, &shakes->watch);
    return true;
}

void shake_prepare(struct relay *relay, const struct generation *generation)
{
    if (generation->has_tls)
        (void)have_threads(relay);
}

/* Hands the next step to another thread; false when that cannot be. */
static bool hand_out(struct shake *shake)
{
    struct relay *relay = shake->relay;

    if (!have_threads(relay) || relay->shakes.n_out >= SHAKES_MOST ||
        task_submit(relay->shakes.threads, run, on_run, shake) != 0)
        return false;
    shake->is_out = true;
    shake->generation = generation_get(shake->c->generation);
    relay->shakes.n_out++;
    return true;
}

int shake_begin(struct conn *c, struct half *half, struct tls_stream *stream, bool begins)
{
    struct shake *shake = stream != NULL ? calloc(1, sizeof *shake) : NULL;

    if (shake == NULL) {
        tls_stream_free(stream);
        errno = ENOMEM;
        return -1;
    }
    *shake = (struct shake){.c = c,
                            .half = half,
                            .relay = c->relay,
                            .stream = stream,
                            .step = TLS_WANTS_READ,
                            .begins = begins};
    c->shake = shake;
    c->generation->n_shakes++;
    return 0;
}

/* ---- bytes ---- */

enum flow { FLOW_ON, FLOW_BLOCKED, FLOW_END, FLOW_RESET, FLOW_NO_MEMORY };

/* Sends what there is to say. */
static enum flow speak(struct shake *shake)
{
    size_t length, sent;
    const unsigned char *bytes;

    while (bytes = tls_stream_answer(shake->stream, &length), length > 0) {
        switch (plain_transport.write(shake->half->watch.fd, NULL, bytes, length, &sent)) {
        case IO_OK:
            shake->has_spoken = true;
            tls_stream_sent(shake->stream, sent);
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

/* Reads what there is into what waits at the half. */
static enum flow hear(struct shake *shake)
{
    struct relay *relay = shake->relay;
    struct buffer *wait = &shake->half->wait;
    size_t room = buffer_room(wait, &relay->buffers), length = 0;

    if (room > relay->scratch_bytes)
        room = relay->scratch_bytes;
    if (room == 0)
        return FLOW_BLOCKED;
    switch (plain_transport.read(shake->half->watch.fd, NULL, relay->scratch, room, &length)) {
    case IO_OK:
        shake->has_heard = true;
        return buffer_append(wait, &relay->buffers, relay->scratch, length) == length
                   ? FLOW_ON
                   : FLOW_NO_MEMORY;
    case IO_AGAIN:
        return FLOW_BLOCKED;
    case IO_EOF:
        return FLOW_END;
    case IO_ERROR:
        break;
    }
    return FLOW_RESET;
}

/* Gives what waits to the stream. */
static bool feed(struct shake *shake)
{
    struct buffer *wait = &shake->half->wait;
    bool is_fed =
        wait->length == 0 || tls_stream_feed(shake->stream, buffer_bytes(wait), wait->length);
    buffer_fini(wait, &shake->relay->buffers);
    return is_fed;
}

/* ---- the way through ---- */

/* Now the half is the stream; its first bytes may have come with the last of the handshake. */
static enum shake_verdict finish(struct conn *c)
{
    struct shake *shake = c->shake;
    struct half *half = shake->half;

    tls_stream_settle(shake->stream);
    half->io = &tls_transport;
    half->io_state = shake->stream;
    shake->stream = NULL;
    shake_free(shake, c->generation);
    c->shake = NULL;
    return SHAKE_DONE;
}

/* What a client that has left is still to be told is nothing: its FIN or reset stands behind its hello. */
static bool has_left(const struct shake *shake)
{
    char byte;
    ssize_t n = recv(shake->half->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/*
 * How it is shared out. How long it takes to verify certificates is for the other side to say: that is always done by another thread. What our
 * private key takes is known, and where it is little the loop does it itself, within its ration: where every core has a
 * worker, the thread has no other to run on; switching to it and back costs a seventh of a handshake, and once it has the
 * core it keeps the loop waiting for a tick of the scheduler.
 */
static enum shake_verdict run_next(struct shake *shake)
{
    bool is_key = shake->step == TLS_COMPUTES;
    bool is_light = !is_key && tls_stream_is_light(shake->stream);

    shake->begins = false;
    if (!is_light && !tls_stream_is_quick(shake->stream))
        return hand_out(shake) ? SHAKE_MORE : SHAKE_REFUSED;
    shake->is_in_vain = is_key && has_left(shake);
    if (shake->is_in_vain)
        return SHAKE_FAILED;
    shake->step = tls_stream_shake(shake->stream, !is_light);
    return SHAKE_DONE;
}

/* The stream is ours: goes on until it needs another thread or the other side. */
static enum shake_verdict go_on(struct conn *c)
{
    struct shake *shake = c->shake;

    for (;;) {
        bool is_over = shake->step == TLS_DONE && tls_stream_may_hold(shake->stream);
        enum flow flow = is_over ? FLOW_ON : speak(shake);
        if (flow == FLOW_RESET)
            return SHAKE_RESET;
        if (shake->step == TLS_FAILED) /* its alert is on its way, as far as there is room */
            return SHAKE_FAILED;
        if (flow == FLOW_BLOCKED)
            return SHAKE_MORE;
        bool has_more = shake->half->wait.length > 0;
        if (has_more && !feed(shake))
            return SHAKE_REFUSED;
        if (shake->step == TLS_DONE)
            return finish(c);
        if (!has_more && !shake->begins && shake->step != TLS_COMPUTES)
            return shake->has_ended ? SHAKE_FAILED : SHAKE_MORE;
        enum shake_verdict verdict = run_next(shake);
        if (verdict != SHAKE_DONE)
            return verdict;
    }
}

enum shake_verdict shake_step(struct conn *c)
{
    struct shake *shake = c->shake;

    switch (hear(shake)) {
    case FLOW_ON:
    case FLOW_BLOCKED:
        break;
    case FLOW_END:
        shake->has_ended = true;
        /* Who has not heard from us cannot have said all: it has left. */
        if (shake->is_out && shake->has_spoken)
            break;
        return shake->has_heard ? SHAKE_FAILED : SHAKE_LEFT;
    case FLOW_RESET:
        return SHAKE_RESET;
    case FLOW_NO_MEMORY:
        return SHAKE_REFUSED;
    }
    return shake->is_out ? SHAKE_MORE : go_on(c);
}

enum shake_verdict shake_take(struct conn *c)
{
    return go_on(c);
}

const char *shake_reason(const struct conn *c)
{
    return c->shake->step == TLS_FAILED ? tls_stream_reason(c->shake->stream)
                                        : "ended before it was complete";
}

enum tls_blame shake_blame(const struct conn *c, const char **blamed)
{
    const struct shake *shake = c->shake;

    *blamed = NULL;
    if (shake->step != TLS_FAILED)
        return TLS_BLAME_OTHER;
    *blamed = tls_stream_blamed(shake->stream);
    return tls_stream_blame(shake->stream);
}

int shake_interest(const struct conn *c)
{
    const struct shake *shake = c->shake;
    size_t unsent = 0;
    bool has_room = buffer_room(&shake->half->wait, &shake->relay->buffers) > 0;

    if (!shake->is_out)
        tls_stream_answer(shake->stream, &unsent);
    return (has_room && !shake->has_ended ? EV_READ : 0) | (unsent > 0 ? EV_WRITE : 0);
}

bool shake_drop(struct conn *c)
{
    struct shake *shake = c->shake;

    if (shake == NULL)
        return false;
    c->shake = NULL;
    buffer_fini(&shake->half->wait, &shake->relay->buffers);
    if (!shake->is_out) {
        bool is_in_vain = shake->is_in_vain;
        shake_free(shake, c->generation);
        return is_in_vain;
    }
    shake->c = NULL;
    atomic_store_explicit(&shake->is_dropped, true, memory_order_relaxed);
    return true;
}

void shake_fini(struct relay *relay)
{
    if (relay->shakes.threads == NULL)
        return;
    ev_io_stop(relay->loop, &relay->shakes.watch);
    task_threads_free(relay->shakes.threads);
    relay->shakes.threads = NULL;
}

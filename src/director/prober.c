/* SPDX-License-Identifier: MIT */
/* Runs probes on the loop: so many at once, each with its own deadline. */
#include "director/prober.h"

#include <assert.h>
#include <sys/resource.h>

#include "base/clock.h"

enum {
    RUNNING_MOST = 512,
    FDS_FOR_OTHERS = 4, /* one in so many descriptors is for probes */
    LATE_MS = 250       /* this process was held up itself: what it saw proves nothing */
};

static uint32_t affordable(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    rlim_t most = limit.rlim_cur / FDS_FOR_OTHERS;
    if (most > RUNNING_MOST)
        most = RUNNING_MOST;
    return most > 0 ? (uint32_t)most : 1;
}

void prober_init(struct prober *prober, struct ev_loop *loop, errand_done *on_done,
                 uint32_t most_running)
{
    *prober = (struct prober){.loop = loop,
                              .on_done = on_done,
                              .most_running = most_running > 0 ? most_running : affordable()};
    list_init(&prober->waiting);
}

/* ---- one errand ---- */

static void start(struct errand *errand);

/* One at a time: an errand that is over at once gives its place to the next of this very loop. */
static void serve_waiting(struct prober *prober)
{
    if (prober->is_serving || prober->is_held)
        return;
    prober->is_serving = true;
    while (prober->n_running < prober->most_running && !list_is_empty(&prober->waiting)) {
        struct errand *errand = container_of(prober->waiting.next, struct errand, waiting);
        list_remove(&errand->waiting);
        start(errand);
    }
    prober->is_serving = false;
}

static void close_errand(struct errand *errand)
{
    struct prober *prober = errand->prober;
    if (!errand->is_running)
        return;
    ev_io_stop(prober->loop, &errand->watch);
    ev_timer_stop(prober->loop, &errand->limit);
    probe_stop(&errand->probe);
    errand->is_running = false;
    prober->n_running--;
}

static void finish(struct errand *errand, enum probe_verdict verdict)
{
    uint64_t took_ns = clock_now_ns() - errand->started_ns;
    errand->is_out = false;
    errand->prober->on_done(errand, verdict, took_ns);
}

/* After each step of the probe: waits for what it waits for, or is done with it. */
static void follow(struct errand *errand, enum probe_verdict verdict)
{
    struct prober *prober = errand->prober;
    bool is_over = errand->probe.phase == PROBE_IS_OVER;
    int watched = errand->watch.events & (EV_READ | EV_WRITE);
    if (is_over || watched != errand->probe.events)
        ev_io_stop(prober->loop, &errand->watch);
    if (!is_over && watched != errand->probe.events)
        ev_io_set(&errand->watch, errand->probe.fd, errand->probe.events);
    if (!is_over)
        ev_io_start(prober->loop, &errand->watch);
    if (verdict != PROBE_GOING)
        finish(errand, verdict);
    if (is_over)
        close_errand(errand);
    serve_waiting(prober);
}

static void on_ready(struct ev_loop *loop, struct ev_io *watch, int events)
{
    (void)loop;
    (void)events;
    struct errand *errand = watch->data;
    follow(errand, probe_go_on(&errand->probe));
}

static uint64_t deadline_of(const struct errand *errand)
{
    return errand->started_ns + (uint64_t)errand->timeout_ms * CLOCK_NS_PER_MS;
}

static void set_limit(struct errand *errand, uint64_t now_ns)
{
    uint64_t deadline_ns = deadline_of(errand);
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    ev_timer_stop(errand->prober->loop, &errand->limit);
    ev_timer_set(&errand->limit, (double)left_ns / (double)CLOCK_NS_PER_S, 0.);
    ev_timer_start(errand->prober->loop, &errand->limit);
}

static void expire(struct errand *errand, uint64_t now_ns)
{
    bool is_late = now_ns > deadline_of(errand) + LATE_MS * CLOCK_NS_PER_MS;
    if (is_late)
        probe_fail(&errand->probe, "this process was held up");
    else
        probe_expire(&errand->probe, errand->timeout_ms);
    finish(errand, is_late ? PROBE_SHORTAGE : PROBE_BAD);
    close_errand(errand);
    serve_waiting(errand->prober);
}

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct errand *errand = timer->data;
    uint64_t now_ns = clock_now_ns();
    if (now_ns < deadline_of(errand)) { /* the loop's clock is as old as its turn */
        set_limit(errand, now_ns);
        return;
    }
    if (!errand->is_out) {
        close_errand(errand);
        serve_waiting(errand->prober);
        return;
    }
    /* What has come already counts, though its event stands behind this one. */
    enum probe_verdict verdict = probe_go_on(&errand->probe);
    if (verdict != PROBE_GOING)
        follow(errand, verdict);
    else
        expire(errand, now_ns);
}

static void start(struct errand *errand)
{
    struct prober *prober = errand->prober;
    errand->is_running = true;
    prober->n_running++;
    errand->started_ns = clock_now_ns();
    enum probe_verdict verdict = probe_start(&errand->probe, &errand->task);
    ev_io_init(&errand->watch, on_ready, errand->probe.fd, errand->probe.events);
    ev_timer_init(&errand->limit, on_limit, 0., 0.);
    errand->watch.data = errand->limit.data = errand;
    if (verdict == PROBE_GOING)
        set_limit(errand, errand->started_ns);
    follow(errand, verdict);
}

void prober_send(struct prober *prober, struct errand *errand, const struct probe_task *task,
                 int64_t timeout_ms)
{
    assert(!errand->is_out);
    errand->prober = prober;
    close_errand(errand);
    errand->task = *task;
    errand->timeout_ms = timeout_ms;
    errand->is_out = true;
    list_append(&prober->waiting, &errand->waiting);
    serve_waiting(prober);
}

void prober_hold(struct prober *prober)
{
    prober->is_held = true;
}

void prober_go_on(struct prober *prober)
{
    prober->is_held = false;
    serve_waiting(prober);
}

void prober_cancel(struct errand *errand)
{
    if (errand->prober == NULL)
        return;
    list_remove(&errand->waiting);
    errand->is_out = false;
    close_errand(errand);
    serve_waiting(errand->prober);
}

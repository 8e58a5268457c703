/* SPDX-License-Identifier: MIT */
/* Runs probes on the loop: so many at once, each with its own deadline. */
#ifndef DIRECTOR_PROBER_H
#define DIRECTOR_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/list.h"
#include "director/probe.h"

struct errand;

/*
 * An errand has its verdict, the only one; never PROBE_GOING. The reason is in errand->probe. It is
 * neither sent nor cancelled from in here.
 */
typedef void errand_done(struct errand *errand, enum probe_verdict verdict, uint64_t took_ns);

/* Owner: whoever has probes run. */
struct prober {
    struct ev_loop *loop;
    errand_done *on_done;
    struct list_node waiting; /* errands that wait for a place */
    uint32_t n_running, most_running;
    bool is_serving; /* places are being given out */
    bool is_held;    /* no place is given out */
};

/* One host's errand. Zero is one that rests. Owner: as the prober's. */
struct errand {
    struct prober *prober;
    struct probe_task task;
    int64_t timeout_ms;
    bool is_out; /* sent, and no verdict yet */
    bool is_running;
    uint64_t started_ns;
    struct probe probe;
    struct ev_io watch;
    struct ev_timer limit;
    struct list_node waiting;
};

/* most_running 0: as the limit of descriptors allows. */
void prober_init(struct prober *prober, struct ev_loop *loop, errand_done *on_done,
                 uint32_t most_running);

/*
 * Sends the errand, once there is a place. It must not be out; what is left of its last run is closed.
 * task        lives until the verdict
 * timeout_ms  from the start of the connect to the last byte, absolute
 * on_done may be called before this returns.
 */
void prober_send(struct prober *prober, struct errand *errand, const struct probe_task *task,
                 int64_t timeout_ms);

/* From the first on, errands that are sent wait; with the second they start. */
void prober_hold(struct prober *prober);
void prober_go_on(struct prober *prober);

/* Ends it wherever it is, without a verdict. */
void prober_cancel(struct errand *errand);

#endif

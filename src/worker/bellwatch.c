/* SPDX-License-Identifier: MIT */
/* A worker's bells: takes them from master, hears its own. */
#include "worker/bellwatch.h"

/* Somebody has changed what we may be waiting for. */
static void on_ring(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct relay *relay = watch->data;

    (void)loop;
    (void)revents;
    profile_enter(&relay->profile, PROFILE_BELL);
    /* First: what is changed while we look rings anew. */
    bells_hush(&relay->bells, relay->slot);
    if (relay->on_bell != NULL)
        relay->on_bell(relay);
}

void bellwatch_init(struct bellwatch *bellwatch, struct relay *relay)
{
    bellwatch->relay = relay;
    bells_init(&relay->bells);
    ev_io_init(&bellwatch->watch, on_ring, -1, EV_READ);
    bellwatch->watch.data = relay;
}

void bellwatch_fini(struct bellwatch *bellwatch)
{
    ev_io_stop(bellwatch->relay->loop, &bellwatch->watch);
    bells_fini(&bellwatch->relay->bells);
}

void bellwatch_take(struct bellwatch *bellwatch, struct received *message)
{
    struct relay *relay = bellwatch->relay;
    uint32_t slots[FDPASS_MOST];
    size_t n = channel_read_numbers(message, slots);

    ev_io_stop(relay->loop, &bellwatch->watch); /* its descriptor may be replaced */
    for (size_t i = 0; i < (size_t)message->n_fds; i++)
        bells_put(&relay->bells, i < n ? slots[i] : BELLS, message->fds[i]);
    message->n_fds = 0;
    if (relay->bells.fds[relay->slot] < 0)
        return;
    ev_io_set(&bellwatch->watch, relay->bells.fds[relay->slot], EV_READ);
    ev_io_start(relay->loop, &bellwatch->watch);
}

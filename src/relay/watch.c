/* SPDX-License-Identifier: MIT */
/* What the two ends of a relayed connection are watched for, derived from the facts. */
#include "relay/watch.h"

#include "relay/tunnel.h"

void watch_set(struct relay *relay, struct half *half, int events)
{
    struct ev_io *watch = &half->watch;
    int present = ev_is_active(watch) ? watch->events & (EV_READ | EV_WRITE) : 0;

    if (watch->fd < 0 || present == events)
        return;
    ev_io_stop(relay->loop, watch);
    ev_io_modify(watch, events);
    if (events != 0)
        ev_io_start(relay->loop, watch);
}

bool watch_may_read(const struct half *half)
{
    return !half->eof && !tunnel_holds(half) && !half->peer->broken;
}

int watch_interest(const struct half *half, bool spoke_after_end)
{
    bool lingers = half->eof && !half->broken && !spoke_after_end && !tunnel_holds(half) &&
                   ev_is_active(&half->watch) && (half->watch.events & EV_READ) != 0;
    return (watch_may_read(half) || lingers ? EV_READ : 0) |
           (tunnel_holds(half->peer) ? EV_WRITE : 0);
}

/* SPDX-License-Identifier: MIT */
/* What the two ends of a relayed connection are watched for, derived from the facts. */
#include "relay/watch.h"

#include "relay/tunnel.h"

void watch_set(struct relay *relay, struct half *half, int events)
{
    struct ev_io *watch = &half->watch;
    struct conn *c = conn_of(half);
    if ((events & EV_READ) != 0 && half_needs(half, TRANSPORT_HAS_BYTES) &&
        !list_is_linked(&c->unread))
        list_append(&relay->unread, &c->unread);
    int present = ev_is_active(watch) ? watch->events & (EV_READ | EV_WRITE) : 0;

    if (watch->fd < 0 || present == events)
        return;
    ev_io_stop(relay->loop, watch);
    ev_io_modify(watch, events);
    if (events != 0)
        ev_io_start(relay->loop, watch);
}

bool watch_is_readable(const struct half *half, int revents)
{
    return (revents & EV_READ) != 0 ||
           ((revents & EV_WRITE) != 0 && half_needs(half, TRANSPORT_READS_WHEN_WRITABLE));
}

static void call(struct relay *relay, struct half *half)
{
    if (ev_is_active(&half->watch) && (half->watch.events & EV_READ) != 0 &&
        half_needs(half, TRANSPORT_HAS_BYTES))
        ev_feed_event(relay->loop, &half->watch, EV_READ);
}

bool watch_call_unread(struct relay *relay)
{
    bool is_any = !list_is_empty(&relay->unread);

    while (!list_is_empty(&relay->unread)) {
        struct conn *c = container_of(relay->unread.next, struct conn, unread);
        list_remove(&c->unread);
        call(relay, &c->client);
        call(relay, &c->host);
    }
    return is_any;
}

bool watch_may_read(const struct half *half)
{
    return !half->eof && !tunnel_holds(half) && !half->peer->broken;
}

int watch_interest(const struct half *half, bool spoke_after_end)
{
    bool lingers = half->eof && !half->broken && !spoke_after_end && !tunnel_holds(half) &&
                   ev_is_active(&half->watch) && (half->watch.events & EV_READ) != 0;
    bool may_read = watch_may_read(half) || lingers;
    bool reads_by_write = may_read && half_needs(half, TRANSPORT_READS_WHEN_WRITABLE);
    bool writes =
        tunnel_holds(half->peer) || reads_by_write || half_needs(half, TRANSPORT_HAS_END);
    return (may_read && !reads_by_write ? EV_READ : 0) | (writes ? EV_WRITE : 0);
}

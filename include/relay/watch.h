/* SPDX-License-Identifier: MIT */
/* What the two ends of a relayed connection are watched for, derived from the facts. */
#ifndef RELAY_WATCH_H
#define RELAY_WATCH_H

#include "relay/conn.h"

/* Watches the half for events (EV_READ, EV_WRITE, both or 0); costs nothing when it is so already. */
void watch_set(struct relay *relay, struct half *half, int events);

/* Whether these events mean that the half can be read. */
bool watch_is_readable(const struct half *half, int revents);

/*
 * Has the loop come back, in its next turn, to ends that are to be read and hold bytes which their socket
 * does not tell of. Returns true when that turn must not wait.
 */
bool watch_call_unread(struct relay *relay);

/* True when reading at the half makes sense now: no end seen, nothing read there still waits. */
bool watch_may_read(const struct half *half);

/*
 * The events a half in PHASE_RELAY is to be watched for.
 * spoke_after_end  the half has reported once more after its end. Until then its
 *                  reading side stays watched: often the connection is over first, and
 *                  an epoll_ctl is saved.
 */
int watch_interest(const struct half *half, bool spoke_after_end);

#endif

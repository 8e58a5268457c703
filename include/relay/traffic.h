/* SPDX-License-Identifier: MIT */
/* Counts the bytes of a connection where users see them; pushes out what a cork holds back. */
#ifndef RELAY_TRAFFIC_H
#define RELAY_TRAFFIC_H

#include "relay/conn.h"

/* The client sent so many bytes while there is no host yet: the service's figure alone. */
void traffic_count_early(struct conn *c, uint64_t bytes);

/* The connection has its host: what came early counts there too; corks both ends where asked. */
void traffic_begin(struct conn *c);

/* So many bytes were read at one half: counts them, marks the connection as active. */
void traffic_count(struct conn *c, const struct half *from, uint64_t bytes);

/* `cork = yes`: a burst is over, the rest of it is sent now. */
void traffic_uncork(const struct conn *c, const struct half *to);

#endif

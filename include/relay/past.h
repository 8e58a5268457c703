/* SPDX-License-Identifier: MIT */
/* Generations that are current no more, and have connections still: what these will not need is given back. */
#ifndef RELAY_PAST_H
#define RELAY_PAST_H

#include "relay/generation.h"

struct relay;

/* Another one is current from now on; the generation stays its references'. */
void past_add(struct relay *relay, struct generation *generation);

/*
 * Called now and then: once no client of a past generation can be before or in its TLS handshake any more, certificates
 * and lists of revoked ones go. New lists make a generation an hour, and connections may live for months.
 */
void past_look(const struct relay *relay);

#endif

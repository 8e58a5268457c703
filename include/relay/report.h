/* SPDX-License-Identifier: MIT */
/* Does what the director asks of this worker about its connections. */
#ifndef RELAY_REPORT_H
#define RELAY_REPORT_H

#include "relay/conn.h"

/*
 * Looks at the slot's slate and answers what stands there; one load when it is nothing.
 * end  life_end: the one way out
 */
void report_serve(struct relay *relay, void (*end)(struct conn *c, enum outcome outcome));

#endif

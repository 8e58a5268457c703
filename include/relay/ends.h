/* SPDX-License-Identifier: MIT */
/* Closes both sockets of a connection so that neither side takes its end for another one than it was. */
#ifndef RELAY_ENDS_H
#define RELAY_ENDS_H

#include "relay/conn.h"

/* c->outcome is set. Bytes that still wait are dropped. */
void ends_close(struct conn *c);

#endif

/* SPDX-License-Identifier: MIT */
/* Closes both sockets of a connection so that neither side takes its end for another one than it was. */
#ifndef RELAY_ENDS_H
#define RELAY_ENDS_H

#include "relay/conn.h"

/* c->outcome is set. Bytes that still wait are dropped. */
void ends_close(struct conn *c);

/*
 * PHASE_CLOSING: the host has reset, and the client is to be reset once it has all that came before.
 * A reset throws away what the kernel has not sent, so it waits. Nothing waits in our own buffers
 * then, for the host's end is read only once all before it was written.
 * Returns true when the client has acknowledged everything, is gone, or has taken nothing for half_close_timeout. Marks progress as activity:
 * a slow client that takes what there is may take its time.
 */
bool ends_is_over(struct conn *c);

#endif

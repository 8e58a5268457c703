/* SPDX-License-Identifier: MIT */
/* Moves bytes from one half of a connection to the other. */
#ifndef RELAY_TUNNEL_H
#define RELAY_TUNNEL_H

#include "relay/conn.h"

enum tunnel_verdict {
    TUNNEL_GOING, /* nothing more now: the reader is dry, at its end, or the writer is full */
    TUNNEL_READ_FAILED, /* errno: reading from the half failed */
    TUNNEL_WRITE_FAILED /* errno: writing to its peer failed */
};

/*
 * Reads from one end and writes to the other until one of them would block.
 * from          the end to read, none of whose bytes wait; its peer is written
 * budget_bytes  about how much to move now, so that one connection cannot hold the loop (> 0)
 * Sets from->eof at the end of the stream. Bytes the peer does not take are kept: see
 * tunnel_holds. Allocates nothing but a buffer or a pipe of the worker's pools.
 */
enum tunnel_verdict tunnel_pump(struct relay *relay, struct half *from, size_t budget_bytes);

/* Writes what waits at from to its peer. */
enum tunnel_verdict tunnel_flush(struct relay *relay, struct half *from);

/* True when bytes read at from have not been taken by its peer. */
bool tunnel_holds(const struct half *from);

/* Forgets those bytes, gives buffer and pipe back. */
void tunnel_drop(struct relay *relay, struct half *from);

/* Once everything that one side sent has been passed on, its FIN goes on, too. */
void tunnel_pass_end(struct half *from);

#endif

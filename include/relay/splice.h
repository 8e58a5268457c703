/* SPDX-License-Identifier: MIT */
/* Moves bytes between two plain halves inside the kernel, through a pipe borrowed while it holds bytes. */
#ifndef RELAY_SPLICE_H
#define RELAY_SPLICE_H

#include <stddef.h>

#include "net/transport.h"

enum {
    SPLICE_PIPES_MOST = 64,
    SPLICE_MOST_BYTES = 1 << 20 /* a pipe holds no more */
};

/* One pipe; in the pool or lent to one half. */
struct splice_pipe {
    int read_fd, write_fd;
    size_t held_bytes;
    struct splice_pipe *next; /* in the pool */
};

/* A worker's pipes. Pipes are made when first needed and kept. */
struct splice_pool {
    struct splice_pipe *free;
    int n_made, most;
};

/* most  pipes made at once (two descriptors each); beyond that connections go on copying */
void splice_init(struct splice_pool *pool, int most);
/* Closes the pipes in the pool; none may be lent. */
void splice_fini(struct splice_pool *pool);

/* An empty pipe, or NULL when none can be had now. */
struct splice_pipe *splice_take(struct splice_pool *pool);
/* Gives it back; one that still holds bytes is closed instead. */
void splice_give(struct splice_pool *pool, struct splice_pipe *pipe);

/*
 * Moves what the socket has into the pipe, which must be empty.
 * length  out: bytes moved (IO_OK)
 */
enum io splice_fill(struct splice_pipe *pipe, int from_fd, size_t *length);

/* Moves what the pipe holds into the socket; IO_AGAIN when the socket took less than all. */
enum io splice_drain(struct splice_pipe *pipe, int to_fd);

#endif

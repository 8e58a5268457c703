/* SPDX-License-Identifier: MIT */
/* Byte queue that takes its storage from a pool only while it holds bytes. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

struct pool;

/* Zero is the valid empty buffer and holds no storage. */
struct buffer {
    unsigned char *storage; /* one object of the pool, NULL while empty */
    size_t start, length;   /* the bytes lie at storage + start, length of them */
};

/*
 * Keeps the bytes behind those already held.
 * pool  its object_bytes is the most the buffer can hold; the same pool in every call.
 * Returns how many were taken: less than length when the buffer is full, 0 with errno
 * ENOMEM when no storage could be had.
 */
size_t buffer_append(struct buffer *buffer, struct pool *pool, const void *bytes,
                     size_t length);

/* The first held byte; length of them follow. NULL while empty. */
const unsigned char *buffer_bytes(const struct buffer *buffer);

/* Room left behind the held bytes: object_bytes - length. */
size_t buffer_room(const struct buffer *buffer, const struct pool *pool);

/* Drops the first length bytes (at most as many as are held); an emptied buffer gives its storage back. */
void buffer_consume(struct buffer *buffer, struct pool *pool, size_t length);

/* Drops everything. */
void buffer_fini(struct buffer *buffer, struct pool *pool);

#endif

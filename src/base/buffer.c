/* SPDX-License-Identifier: MIT */
/* Byte queue that takes its storage from a pool only while it holds bytes. */
#include "base/buffer.h"

#include <string.h>

#include "base/pool.h"

size_t buffer_append(struct buffer *buffer, struct pool *pool, const void *bytes, size_t length)
{
    size_t room = buffer_room(buffer, pool);
    if (length > room)
        length = room;
    if (length == 0)
        return 0;
    if (buffer->storage == NULL) {
        buffer->storage = pool_take_unset(pool);
        if (buffer->storage == NULL)
            return 0;
    }
    if (pool->object_bytes - buffer->start - buffer->length < length) {
        memmove(buffer->storage, buffer->storage + buffer->start, buffer->length);
        buffer->start = 0;
    }
    memcpy(buffer->storage + buffer->start + buffer->length, bytes, length);
    buffer->length += length;
    return length;
}

const unsigned char *buffer_bytes(const struct buffer *buffer)
{
    return buffer->storage == NULL ? NULL : buffer->storage + buffer->start;
}

size_t buffer_room(const struct buffer *buffer, const struct pool *pool)
{
    return pool->object_bytes - buffer->length;
}

void buffer_consume(struct buffer *buffer, struct pool *pool, size_t length)
{
    if (length >= buffer->length) {
        buffer_fini(buffer, pool);
        return;
    }
    buffer->start += length;
    buffer->length -= length;
}

void buffer_fini(struct buffer *buffer, struct pool *pool)
{
    pool_give(pool, buffer->storage);
    *buffer = (struct buffer){0};
}

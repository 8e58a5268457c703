/* SPDX-License-Identifier: MIT */
/* The seam under the relay: how one end of a connection reads, writes, shuts and closes. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum io {
    IO_OK,    /* moved at least one byte, or done */
    IO_AGAIN, /* nothing now; wait for readiness */
    IO_EOF,   /* the other side has sent its last byte */
    IO_ERROR  /* errno tells; ECONNRESET and EPIPE mean the other side reset */
};

/* What a transport may need beyond what its socket tells; bits. */
enum transport_need {
    TRANSPORT_HAS_BYTES = 1,           /* bytes can be read though the socket may have none */
    TRANSPORT_READS_WHEN_WRITABLE = 2, /* reading goes on when the socket can be written */
    TRANSPORT_HAS_END = 4              /* shut said IO_AGAIN */
};

/* Every function takes the descriptor and the transport's own state (NULL for plain). */
struct transport {
    /* Reads up to capacity (> 0) bytes; *length is set for IO_OK. */
    enum io (*read)(int fd, void *state, void *bytes, size_t capacity, size_t *length);
    /* Writes up to length (> 0) bytes; *written is set for IO_OK and may be short. */
    enum io (*write)(int fd, void *state, const void *bytes, size_t length, size_t *written);
    /* Sends the end of our direction (a FIN). IO_OK, IO_ERROR, or IO_AGAIN: call again when it can be written. */
    enum io (*shut)(int fd, void *state);
    /* Bits of enum transport_need, after read, write or shut. May be NULL: none. */
    unsigned (*needs)(const void *state);
    /* Frees the state; the descriptor stays the caller's. May be NULL. */
    void (*fini)(void *state);
    /* The kernel moves the very bytes of the stream: splice(2) is allowed. */
    bool is_plain;
};

#endif

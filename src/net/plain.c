/* SPDX-License-Identifier: MIT */
/* The transport over a bare socket. */
#include "net/plain.h"

#include <errno.h>
#include <sys/socket.h>

/* What a failed call means; errno stays for the caller. */
static enum io verdict_of_errno(void)
{
    return errno == EAGAIN ? IO_AGAIN : IO_ERROR;
}

static enum io plain_read(int fd, void *state, void *bytes, size_t capacity, size_t *length)
{
    (void)state;
    ssize_t got;
    do
        got = recv(fd, bytes, capacity, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return verdict_of_errno();
    if (got == 0)
        return IO_EOF;
    *length = (size_t)got;
    return IO_OK;
}

static enum io plain_write(int fd, void *state, const void *bytes, size_t length,
                           size_t *written)
{
    (void)state;
    ssize_t sent;
    do
        sent = send(fd, bytes, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return verdict_of_errno();
    *written = (size_t)sent;
    return IO_OK;
}

static enum io plain_shut(int fd, void *state)
{
    (void)state;
    return shutdown(fd, SHUT_WR) < 0 ? IO_ERROR : IO_OK;
}

const struct transport plain_transport = {
    .read = plain_read,
    .write = plain_write,
    .shut = plain_shut,
    .is_plain = true,
};

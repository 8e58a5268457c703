/* SPDX-License-Identifier: MIT */
/* Moves bytes between two plain halves inside the kernel, through a pipe borrowed while it holds bytes. */
#include "relay/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A pipe counts slots, one per fragment, not bytes: with MTU-sized fragments the default 16
 * slots are 24 KB. Unprivileged users share a budget of pages (pipe-user-pages-soft); where
 * it is used up the smaller sizes still help.
 */
static const int pipe_sizes[] = {SPLICE_MOST_BYTES, SPLICE_MOST_BYTES / 4};

void splice_init(struct splice_pool *pool, int most)
{
    *pool = (struct splice_pool){.most = most < SPLICE_PIPES_MOST ? most : SPLICE_PIPES_MOST};
}

static void close_pipe(struct splice_pool *pool, struct splice_pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    pool->n_made--;
}

void splice_fini(struct splice_pool *pool)
{
    while (pool->free != NULL) {
        struct splice_pipe *pipe = pool->free;
        pool->free = pipe->next;
        close_pipe(pool, pipe);
    }
}

static struct splice_pipe *make_pipe(struct splice_pool *pool)
{
    int fds[2];

    if (pool->n_made >= pool->most)
        return NULL;
    struct splice_pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        return NULL;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(pipe);
        return NULL;
    }
    for (size_t i = 0; i < sizeof pipe_sizes / sizeof *pipe_sizes; i++)
        if (fcntl(fds[1], F_SETPIPE_SZ, pipe_sizes[i]) > 0)
            break;
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    pool->n_made++;
    return pipe;
}

struct splice_pipe *splice_take(struct splice_pool *pool)
{
    struct splice_pipe *pipe = pool->free;
    if (pipe == NULL)
        return make_pipe(pool);
    pool->free = pipe->next;
    pipe->next = NULL;
    return pipe;
}

void splice_give(struct splice_pool *pool, struct splice_pipe *pipe)
{
    if (pipe->held_bytes > 0) {
        close_pipe(pool, pipe);
        return;
    }
    pipe->next = pool->free;
    pool->free = pipe;
}

enum io splice_fill(struct splice_pipe *pipe, int from_fd, size_t *length)
{
    ssize_t n;
    do
        n = splice(from_fd, NULL, pipe->write_fd, NULL, SPLICE_MOST_BYTES,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return IO_EOF;
    if (n < 0)
        return errno == EAGAIN ? IO_AGAIN : IO_ERROR;
    pipe->held_bytes += (size_t)n;
    *length = (size_t)n;
    return IO_OK;
}

enum io splice_drain(struct splice_pipe *pipe, int to_fd)
{
    while (pipe->held_bytes > 0) {
        ssize_t n = splice(pipe->read_fd, NULL, to_fd, NULL, pipe->held_bytes,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? IO_AGAIN : IO_ERROR;
        if (n == 0)
            return IO_AGAIN;
        pipe->held_bytes -= (size_t)n;
    }
    return IO_OK;
}

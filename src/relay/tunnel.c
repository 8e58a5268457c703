/* SPDX-License-Identifier: MIT */
/* Moves bytes from one half of a connection to the other. */
#include "relay/tunnel.h"

#include <errno.h>

/*
 * Two ways lead across: copying through the worker's one scratch buffer, or, between two
 * plain sockets over which much is flowing, splice(2) through a pipe. Splicing small
 * messages costs more than copying them, so each direction decides for itself: two
 * reads in a row of at least bulk_from bytes turn it on, three of less than bulk_below off.
 *
 * splice(2) stops at urgent data, and says of it what it says of an empty socket: that it would
 * block, while epoll says that there is something to read. So where the first splice of a turn
 * brings nothing, recv(2) is asked, which passes the urgent byte.
 */
enum { bulk_from = 16384, bulk_below = 8192, bulk_signs_on = 2, bulk_signs_off = 3 };

enum step { STEP_MORE, STEP_OVER, STEP_READ_FAILED, STEP_WRITE_FAILED };

bool tunnel_holds(const struct half *from)
{
    return from->wait.length > 0 || (from->pipe != NULL && from->pipe->held_bytes > 0);
}

static void return_pipe(struct relay *relay, struct half *from)
{
    if (from->pipe == NULL)
        return;
    splice_give(&relay->pipes, from->pipe);
    from->pipe = NULL;
}

void tunnel_drop(struct relay *relay, struct half *from)
{
    buffer_fini(&from->wait, &relay->buffers);
    return_pipe(relay, from);
}

static void judge_size(struct half *from, size_t length)
{
    bool is_sign = from->is_bulk ? length < bulk_below : length >= bulk_from;
    from->bulk_signs = is_sign ? (uint8_t)(from->bulk_signs + 1) : 0;
    if (from->bulk_signs >= (from->is_bulk ? bulk_signs_off : bulk_signs_on)) {
        from->is_bulk = !from->is_bulk && from->io->is_plain && from->peer->io->is_plain;
        from->bulk_signs = 0;
    }
}

/* Writes the bytes; what the peer does not take is kept at from. */
static enum step write_on(struct relay *relay, struct half *from, const unsigned char *bytes,
                          size_t length)
{
    struct half *to = from->peer;
    size_t done = 0;

    while (done < length) {
        size_t written = 0;
        enum io io =
            to->io->write(to->watch.fd, to->io_state, bytes + done, length - done, &written);
        if (io == IO_OK) {
            done += written;
            continue;
        }
        if (io != IO_AGAIN)
            return STEP_WRITE_FAILED;
        if (buffer_append(&from->wait, &relay->buffers, bytes + done, length - done) !=
            length - done) {
            errno = ENOMEM;
            return STEP_READ_FAILED;
        }
        return STEP_OVER;
    }
    return STEP_MORE;
}

static enum step step_copying(struct relay *relay, struct half *from, size_t *moved)
{
    size_t length = 0;
    enum io io = from->io->read(from->watch.fd, from->io_state, relay->scratch,
                                relay->scratch_bytes, &length);

    switch (io) {
    case IO_OK:
        break;
    case IO_EOF:
        from->eof = true;
        return STEP_OVER;
    case IO_AGAIN:
        return STEP_OVER;
    case IO_ERROR:
        return STEP_READ_FAILED;
    }
    from->in_bytes += length;
    *moved = length;
    judge_size(from, length);
    enum step step = write_on(relay, from, relay->scratch, length);
    /* A plain socket that gave less than asked for is dry: the next read would only say so. */
    if (step == STEP_MORE && length < relay->scratch_bytes && from->io->is_plain)
        return STEP_OVER;
    return step;
}

static enum step step_splicing(struct half *from, bool is_first, size_t *moved)
{
    size_t length = 0;
    enum io io = splice_fill(from->pipe, from->watch.fd, &length);

    if (io == IO_EOF)
        from->eof = true;
    if (io == IO_AGAIN && is_first) {
        from->is_bulk = false;
        from->bulk_signs = 0;
        return STEP_MORE;
    }
    if (io == IO_EOF || io == IO_AGAIN)
        return STEP_OVER;
    if (io == IO_ERROR)
        return STEP_READ_FAILED;
    from->in_bytes += length;
    *moved = length;
    judge_size(from, length);
    io = splice_drain(from->pipe, from->peer->watch.fd);
    if (io == IO_ERROR)
        return STEP_WRITE_FAILED;
    /* Less than half a pipe: the socket is most likely dry; asking again would only say so. */
    return io == IO_OK && length >= SPLICE_MOST_BYTES / 2 ? STEP_MORE : STEP_OVER;
}

static enum tunnel_verdict verdict_of(enum step step)
{
    if (step == STEP_READ_FAILED)
        return TUNNEL_READ_FAILED;
    return step == STEP_WRITE_FAILED ? TUNNEL_WRITE_FAILED : TUNNEL_GOING;
}

enum tunnel_verdict tunnel_pump(struct relay *relay, struct half *from, size_t budget_bytes)
{
    enum step step = STEP_MORE;
    size_t total = 0;

    while (step == STEP_MORE && total < budget_bytes) {
        size_t moved = 0;
        if (from->is_bulk && from->pipe == NULL)
            from->pipe = splice_take(&relay->pipes);
        if (from->is_bulk && from->pipe != NULL)
            step = step_splicing(from, total == 0, &moved);
        else
            step = step_copying(relay, from, &moved);
        total += moved;
    }
    if (from->pipe != NULL && from->pipe->held_bytes == 0)
        return_pipe(relay, from);
    return verdict_of(step);
}

enum tunnel_verdict tunnel_flush(struct relay *relay, struct half *from)
{
    struct half *to = from->peer;

    while (from->wait.length > 0) {
        size_t written = 0;
        enum io io = to->io->write(to->watch.fd, to->io_state, buffer_bytes(&from->wait),
                                   from->wait.length, &written);
        if (io == IO_AGAIN)
            return TUNNEL_GOING;
        if (io != IO_OK)
            return TUNNEL_WRITE_FAILED;
        buffer_consume(&from->wait, &relay->buffers, written);
    }
    if (from->pipe != NULL) {
        enum io io = splice_drain(from->pipe, to->watch.fd);
        if (io == IO_ERROR)
            return TUNNEL_WRITE_FAILED;
        if (io == IO_OK)
            return_pipe(relay, from);
    }
    return TUNNEL_GOING;
}

void tunnel_pass_end(struct half *from)
{
    struct half *to = from->peer;

    if (!from->eof || tunnel_holds(from) || to->shut || to->broken)
        return;
    if (to->io->shut(to->watch.fd, to->io_state) == IO_AGAIN)
        return;
    to->shut = true;
    to->shut_first = !to->eof;
}

/* SPDX-License-Identifier: MIT */
/* Messages with descriptors between master, director, workers. */
#include "share/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A message on its way: head and payload in one piece, as the socket wants them. */
struct parcel {
    struct list_node node;
    int fds[FDPASS_MOST]; /* owned once it waits; the sender's before */
    int n_fds;
    size_t length;
    unsigned char bytes[];
};

void channel_init(struct channel *channel, int fd)
{
    channel->fd = fd;
    channel->n_waiting = 0;
    list_init(&channel->waiting);
}

static void close_all(const int *fds, int n_fds)
{
    for (int i = 0; i < n_fds; i++)
        close(fds[i]);
}

static void parcel_free(struct parcel *parcel)
{
    close_all(parcel->fds, parcel->n_fds);
    free(parcel);
}

void channel_fini(struct channel *channel)
{
    LIST_FOREACH_SAFE(node, after, &channel->waiting)
        parcel_free(container_of(node, struct parcel, node));
    list_init(&channel->waiting);
    channel->n_waiting = 0;
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
}

static struct parcel *pack(const struct message *message, const void *payload, size_t length)
{
    struct parcel *parcel = malloc(sizeof *parcel + sizeof *message + length);

    if (parcel == NULL)
        return NULL;
    parcel->node = (struct list_node){0};
    parcel->n_fds = 0;
    parcel->length = sizeof *message + length;
    memcpy(parcel->bytes, message, sizeof *message);
    if (length > 0)
        memcpy(parcel->bytes + sizeof *message, payload, length);
    return parcel;
}

/* Lets the parcel wait with duplicates of the descriptors: the caller may close his. */
static int enqueue(struct channel *channel, struct parcel *parcel, const int *fds, int n_fds)
{
    if (channel->n_waiting == CHANNEL_MOST_WAITING) {
        errno = ENOBUFS;
        return -1;
    }
    for (int i = 0; i < n_fds; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            int error = errno;
            close_all(parcel->fds, parcel->n_fds);
            errno = error;
            return -1;
        }
        parcel->fds[parcel->n_fds++] = fd;
    }
    list_append(&channel->waiting, &parcel->node);
    channel->n_waiting++;
    return 0;
}

static bool is_busy(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* Sends at once if nothing waits before it. 1 sent, 0 it has to wait, -1 with errno. */
static int try_now(const struct channel *channel, const struct parcel *parcel, const int *fds,
                   int n_fds)
{
    if (channel->n_waiting > 0)
        return 0;
    if (fdpass_send(channel->fd, parcel->bytes, parcel->length, fds, n_fds) == 0)
        return 1;
    return is_busy(errno) ? 0 : -1;
}

int channel_send(struct channel *channel, const struct message *message, const void *payload,
                 size_t length, const int *fds, int n_fds)
{
    assert(n_fds >= 0 && n_fds <= FDPASS_MOST);
    if (length > CHANNEL_MOST_BYTES - sizeof *message) {
        errno = EMSGSIZE;
        return -1;
    }
    struct parcel *parcel = pack(message, payload, length);
    if (parcel == NULL)
        return -1;
    int result = try_now(channel, parcel, fds, n_fds);
    if (result == 0 && enqueue(channel, parcel, fds, n_fds) == 0)
        return 0; /* the queue has it now */
    int error = errno;
    free(parcel);
    errno = error;
    return result == 1 ? 0 : -1;
}

int channel_is_waiting(const struct channel *channel)
{
    return channel->n_waiting > 0;
}

int channel_flush(struct channel *channel)
{
    LIST_FOREACH_SAFE(node, after, &channel->waiting) {
        struct parcel *parcel = container_of(node, struct parcel, node);
        if (fdpass_send(channel->fd, parcel->bytes, parcel->length, parcel->fds,
                        parcel->n_fds) != 0)
            return is_busy(errno) ? 0 : -1;
        list_remove(node);
        channel->n_waiting--;
        parcel_free(parcel);
    }
    return 0;
}

/* What receiving said, in this module's words. */
static int receive_failed(int error)
{
    if (is_busy(error))
        return 0;
    if (error == ECONNRESET || error == EPIPE)
        errno = 0;
    else
        errno = error == EMSGSIZE ? EPROTO : error;
    return -1;
}

int channel_receive(struct channel *channel, struct received *received)
{
    received->n_fds = 0;
    ssize_t length = fdpass_receive(channel->fd, received->bytes, sizeof received->bytes,
                                    received->fds, &received->n_fds);
    if (length < 0) {
        received->n_fds = 0; /* a failed receive has closed them */
        return receive_failed(errno);
    }
    if (length > 0 && (size_t)length >= sizeof received->head) {
        memcpy(&received->head, received->bytes, sizeof received->head);
        received->payload = received->bytes + sizeof received->head;
        received->length = (size_t)length - sizeof received->head;
        if (received->head.kind >= MSG_HELLO && received->head.kind < MESSAGE_END)
            return 1;
    }
    channel_close_fds(received);
    errno = length == 0 ? 0 : EPROTO;
    return -1;
}

int channel_take_fd(struct received *received, int *next)
{
    if (*next >= received->n_fds)
        return -1;
    int fd = received->fds[*next];
    received->fds[(*next)++] = -1;
    return fd;
}

size_t channel_read_numbers(const struct received *received, uint32_t numbers[FDPASS_MOST])
{
    size_t n = received->length / sizeof *numbers;
    if (n > FDPASS_MOST)
        n = FDPASS_MOST;
    memcpy(numbers, received->payload, n * sizeof *numbers);
    return n;
}

void channel_close_fds(struct received *received)
{
    close_all(received->fds, received->n_fds);
    received->n_fds = 0;
}

/* SPDX-License-Identifier: MIT */
/* Begins a connection to an address from one of the group's source addresses. */
#include "relay/dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "relay/generation.h"

bool dial_may_pass(int error)
{
    return sock_is_shortage(error) && error != EAFNOSUPPORT;
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

/* A fresh socket with the way's options, bound to source unless that is NULL; -1 with errno. */
static int open_socket(const struct way *way, int family, const struct addr *source,
                       bool is_transparent)
{
    int fd = sock_open_stream(family);

    if (fd < 0)
        return -1;
    if (sock_tune_fresh(fd, &way->host_options) == 0 &&
        (source == NULL || sock_bind_source(fd, source, is_transparent) == 0))
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static enum dial_verdict connect_socket(int fd, const struct addr *address, int *fd_out)
{
    if (connect(fd, &address->any, address->length) == 0 || errno == EINPROGRESS) {
        *fd_out = fd;
        return DIAL_GOING;
    }
    close_keeping_errno(fd);
    return sock_is_shortage(errno) ? DIAL_SHORTAGE : DIAL_FAILED;
}

static enum dial_verdict dial_from(const struct way *way, const struct addr *address,
                                   const struct addr *source, bool is_transparent, int *fd_out)
{
    int fd = open_socket(way, address->any.sa_family, source, is_transparent);

    /* Whatever keeps us from having a socket is no fault of the host. */
    return fd < 0 ? DIAL_SHORTAGE : connect_socket(fd, address, fd_out);
}

enum dial_verdict dial(struct way *way, const struct addr *address, const struct addr *client,
                       int *fd_out)
{
    struct group_line *line = way->line;
    const struct model_group *group = line->group.model;

    if (group->n_binds == 0)
        return dial_from(way, address, NULL, false, fd_out);
    errno = EADDRNOTAVAIL;
    for (size_t n = 0; n < group->n_binds; n++) {
        const struct model_bind *bind = &group->binds[line->next_bind++ % group->n_binds];
        const struct addr *source = bind->is_client ? client : &bind->address;
        if (source == NULL || source->any.sa_family != address->any.sa_family)
            continue;
        enum dial_verdict verdict = dial_from(way, address, source, bind->is_client, fd_out);
        if (verdict != DIAL_SHORTAGE || errno != EADDRNOTAVAIL)
            return verdict;
    }
    return DIAL_SHORTAGE;
}

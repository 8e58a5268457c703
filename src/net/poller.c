/* SPDX-License-Identifier: MIT */
/* Event loops by the kernel interface they wait at. */
#include "net/poller.h"

#include <errno.h>
#include <stdbool.h>

#include <ev.h>

struct ev_loop *poller_open(uint32_t poller)
{
    static const unsigned int backends[] = {
        [POLLER_AUTO] = EVBACKEND_EPOLL,        [POLLER_EPOLL] = EVBACKEND_EPOLL,
        [POLLER_LINUXAIO] = EVBACKEND_LINUXAIO, [POLLER_IOURING] = EVBACKEND_IOURING,
        [POLLER_POLL] = EVBACKEND_POLL,         [POLLER_SELECT] = EVBACKEND_SELECT,
    };
    bool is_known = poller < sizeof backends / sizeof *backends;
    unsigned int backend = is_known ? backends[poller] : EVBACKEND_EPOLL;

    /* libev itself sets no errno: what is there afterwards is the kernel's, or nothing's. */
    errno = 0;
    struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV | backend);
    if (loop == NULL && (errno == 0 || errno == ENOSYS))
        errno = ENOTSUP;
    return loop;
}

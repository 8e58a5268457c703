/* SPDX-License-Identifier: MIT */
/* Event loops by the kernel interface they wait at. */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stdint.h>

struct ev_loop;

enum poller {
    POLLER_AUTO,
    POLLER_EPOLL,
    POLLER_LINUXAIO,
    POLLER_IOURING,
    POLLER_POLL,
    POLLER_SELECT
};

/*
 * A new loop; the environment (LIBEV_FLAGS) has no say.
 * poller  enum poller; AUTO, and what is none, is epoll
 * Returns it (the caller's: ev_loop_destroy), or NULL with errno: ENOTSUP where the library
 * or the kernel does not offer the interface, else what the kernel gave as its reason.
 */
struct ev_loop *poller_open(uint32_t poller);

#endif

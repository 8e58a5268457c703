/* SPDX-License-Identifier: MIT */
/* Which TCP connections this machine has, as the kernel tells by netlink (sock_diag(7)). */
#ifndef NET_DIAG_H
#define NET_DIAG_H

#include "net/addr.h"

/* One connection: established, on its way there or back, or waiting (TIME_WAIT), but no listener. */
typedef void diag_visit(void *context, const struct addr *local, const struct addr *remote);

/*
 * Calls visit for every TCP connection of the family (AF_INET or AF_INET6) in this network namespace.
 * IPv4 connections of IPv6 sockets are told as IPv4, with AF_INET6. May take some tens of milliseconds
 * for a hundred thousand: not for a loop.
 * Returns 0, or -1 with errno.
 */
int diag_walk(int family, diag_visit *visit, void *context);

#endif

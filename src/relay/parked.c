/* SPDX-License-Identifier: MIT */
/* Host sockets that were made fresh again and wait for the next connection. */
#include "relay/parked.h"

#include <sys/socket.h>
#include <unistd.h>

bool parked_put(struct parked *parked, int family, int fd)
{
    int *stack = family == AF_INET ? parked->inet : parked->inet6;
    uint32_t *n = family == AF_INET ? &parked->n_inet : &parked->n_inet6;

    if ((family != AF_INET && family != AF_INET6) || *n == PARKED_MOST)
        return false;
    stack[(*n)++] = fd;
    return true;
}

int parked_take(struct parked *parked, int family)
{
    if (family == AF_INET && parked->n_inet > 0)
        return parked->inet[--parked->n_inet];
    if (family == AF_INET6 && parked->n_inet6 > 0)
        return parked->inet6[--parked->n_inet6];
    return -1;
}

uint32_t parked_close(struct parked *parked)
{
    uint32_t n = parked->n_inet + parked->n_inet6;
    while (parked->n_inet > 0)
        close(parked->inet[--parked->n_inet]);
    while (parked->n_inet6 > 0)
        close(parked->inet6[--parked->n_inet6]);
    return n;
}

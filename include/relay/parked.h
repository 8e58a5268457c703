/* SPDX-License-Identifier: MIT */
/* Host sockets that were made fresh again and wait for the next connection. */
#ifndef RELAY_PARKED_H
#define RELAY_PARKED_H

#include <stdbool.h>
#include <stdint.h>

enum { PARKED_MOST = 64 };

/*
 * Last in, first out, one stack per address family; all of one service, so that their
 * options fit. Parked sockets are in no loop: an unconnected one reports a hang-up.
 */
struct parked {
    int inet[PARKED_MOST], inet6[PARKED_MOST];
    uint32_t n_inet, n_inet6;
};

/* Keeps the socket; false when there is no room (the caller closes it). */
bool parked_put(struct parked *parked, int family, int fd);

/* A socket of the family, now the caller's, or -1. */
int parked_take(struct parked *parked, int family);

/* Closes all; returns how many there were. */
uint32_t parked_close(struct parked *parked);

#endif

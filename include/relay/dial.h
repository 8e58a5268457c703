/* SPDX-License-Identifier: MIT */
/* Begins a connection to an address from one of the group's source addresses. */
#ifndef RELAY_DIAL_H
#define RELAY_DIAL_H

#include <stdbool.h>

#include "net/addr.h"

struct way;

enum dial_verdict {
    DIAL_GOING,   /* connected, or soon to be: the socket is in *fd_out */
    DIAL_FAILED,  /* errno: the address cannot be reached, at once */
    DIAL_SHORTAGE /* errno: this machine's fault (descriptors, ports, memory, rights) */
};

/*
 * client  whose address `bind = client' takes; NULL where there is none
 * fd_out  the caller's, for DIAL_GOING
 * The group's source addresses take turns; one whose ports towards the address are used up is passed
 * over for the next, so that a shortage at one of them is none while another has ports left.
 */
enum dial_verdict dial(struct way *way, const struct addr *address, const struct addr *client,
                       int *fd_out);

/* True for a shortage that may be over in a moment: worth waiting for. */
bool dial_may_pass(int error);

#endif

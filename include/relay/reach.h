/* SPDX-License-Identifier: MIT */
/* From a host's open socket to the first byte that is the client's: TLS, a welcome that it must not hear. */
#ifndef RELAY_REACH_H
#define RELAY_REACH_H

#include "relay/hostshake.h"

enum reach_verdict {
    REACH_MORE,  /* host.watch is set; relay.on_shaken may tell that it goes on */
    REACH_DONE,  /* bytes may be relayed */
    REACH_FAILED /* failure tells */
};

/* Why a host was not reached. */
struct reach_failure {
    int error;                           /* errno, where reason is "" */
    char reason[HOSTSHAKE_REASON_BYTES]; /* TLS could not be had */
};

/* Whether a host gets the client's bytes as soon as its socket is open: nothing comes first. */
bool reach_is_immediate(const struct conn *c);

/* The socket is open, and what goes before TLS was sent. */
enum reach_verdict reach_begin(struct conn *c, struct reach_failure *failure);

/* True from then on until it is done. */
bool reach_is_under_way(const struct conn *c);

/* Goes on: the socket says something; or (is_shaken) relay.on_shaken was called. */
enum reach_verdict reach_step(struct conn *c, bool is_shaken, struct reach_failure *failure);

#endif

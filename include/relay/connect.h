/* SPDX-License-Identifier: MIT */
/* One attempt to reach a chosen host. */
#ifndef RELAY_CONNECT_H
#define RELAY_CONNECT_H

#include "relay/conn.h"

enum connect_verdict {
    CONNECT_OPEN,    /* connected */
    CONNECT_PENDING, /* the host has not answered: wait until host.watch.fd is writable */
    CONNECT_FAILED,  /* errno: the host's fault, another may be tried */
    CONNECT_SHORTAGE /* errno: this machine's fault (descriptors, ports, memory) */
};

/*
 * Opens host.watch.fd towards c->target, a place at which is claimed.
 * bytes   what the client has sent so far; sent along at once when the socket takes it
 * sent    out: how much of it was delivered; above 0 only with CONNECT_OPEN
 */
enum connect_verdict connect_start(struct conn *c, const void *bytes, size_t length,
                                   size_t *sent);

/*
 * As connect_start; an attempt that failed is ended at once, by connect_fail or, since ports run out and
 * families are missing for one host and not for another, by connect_abandon.
 */
enum connect_verdict connect_try(struct conn *c, const void *bytes, size_t length,
                                 size_t *sent);

/* The socket of a pending attempt is writable: how did it go? OPEN, PENDING or FAILED. */
enum connect_verdict connect_finish(struct conn *c);

/*
 * Ends a failed attempt: closes the socket, marks the host as tried, counts the failure
 * against it, gives its place back, logs (at most a line a second and host).
 * error  errno value; ETIMEDOUT for our own time limit
 */
void connect_fail(struct conn *c, int error);

/* The same for TLS that could not be had there; no host is ejected for it. */
void connect_fail_tls(struct conn *c, const char *reason);

/*
 * Ends an attempt that failed for want of our own resources: closes the socket, marks the host
 * as tried, gives its place back, logs as connect_fail does. No word against the host.
 */
void connect_abandon(struct conn *c, int error);

/* The connection to the host is established: counts it. */
void connect_succeed(struct conn *c);

/* Closes the host's socket, or keeps it for the next connection where the protocol allows. */
void connect_close(struct conn *c, bool with_reset);

/* True when another host may be tried. */
bool connect_may_retry(const struct conn *c);

#endif

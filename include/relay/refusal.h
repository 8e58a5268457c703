/* SPDX-License-Identifier: MIT */
/* How a step of a client's opening ends, and what the log hears of those who are refused. */
#ifndef RELAY_REFUSAL_H
#define RELAY_REFUSAL_H

#include "relay/conn.h"

enum opening_verdict {
    OPENING_MORE,    /* the client has more to say */
    OPENING_DONE,    /* what it said behind its opening waits in client.wait */
    OPENING_REFUSED, /* it was not as it must be: told to the log */
    OPENING_LEFT,    /* the client has reset */
    OPENING_DENIED,  /* who a header named may not enter */
    OPENING_LIMITED  /* nor may he, for a limit; or memory is out */
};

/* What a connection has ended with by a verdict other than the first two. */
enum outcome refusal_outcome(enum opening_verdict verdict);

/*
 * Tells the log, within bounds, that what the client said was not as it must be.
 * what, why  "PROXY header", "no signature"
 * Returns OPENING_REFUSED.
 */
enum opening_verdict refusal_tell(const struct conn *c, const char *what, const char *why);

/* The same with the subject of the client's certificate, which may hold any bytes. */
enum opening_verdict refusal_tell_of(const struct conn *c, const char *what, const char *why,
                                     const char *subject);

#endif

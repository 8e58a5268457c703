/* SPDX-License-Identifier: MIT */
/* PHASE_STARTTLS: what a client says in plain before its TLS; and what a host says that it must not hear twice. */
#ifndef RELAY_NEGOTIATE_H
#define RELAY_NEGOTIATE_H

#include "relay/refusal.h"

/* Called when the client can be read, and once at the beginning: it may be owed a greeting. */
enum opening_verdict negotiate_step(struct conn *c);

/* Whether the host that is reached speaks first, what its client has heard from us already. */
bool negotiate_hides_welcome(const struct conn *c);

enum negotiate_verdict {
    NEGOTIATE_MORE,  /* host.watch is set */
    NEGOTIATE_DONE,  /* what the host said behind its welcome waits in host.wait */
    NEGOTIATE_FAILED /* errno */
};

/* Takes the host's welcome; called at once, and when the host can be read. */
enum negotiate_verdict negotiate_welcome(struct conn *c);

#endif

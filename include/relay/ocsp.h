/* SPDX-License-Identifier: MIT */
/* PHASE_OCSP: a client has shown a certificate, and an OCSP responder is asked whether it still stands. */
#ifndef RELAY_OCSP_H
#define RELAY_OCSP_H

#include "relay/refusal.h"

struct asking; /* opaque; owner: the connection */

/* Whether a client whose handshake is over comes into this phase. */
bool ocsp_is_due(const struct conn *c);

/*
 * Looks for what was said, and has the director ask where nothing was. Called at the beginning, when the client can be
 * read, and when somebody has said something. OPENING_DONE: the client may enter.
 */
enum opening_verdict ocsp_step(struct conn *c);

/* Nothing was said within ocsp_timeout: as ocsp_step, but never OPENING_MORE. */
enum opening_verdict ocsp_late(struct conn *c);

/* Calls back for each that waits, when something was said since the last time. */
void ocsp_serve(struct relay *relay, void (*go_on)(struct conn *c));

/* The connection ends, or leaves the phase. */
void ocsp_drop(struct conn *c);

#endif

/* SPDX-License-Identifier: MIT */
/* Makes the keys of session tickets from a secret that several nodes share, and others from those. */
#ifndef TLS_DERIVE_H
#define TLS_DERIVE_H

#include <stddef.h>
#include <stdint.h>

#include "share/tickets.h"

#define DERIVE_BYTES 32

/* What is kept of a secret of any length; 0, or -1 when memory is out. */
int derive_digest(const unsigned char *secret, size_t length, unsigned char out[DERIVE_BYTES]);

/*
 * The key of a span of time: the same on every node that has the same digest.
 * span        number of the span, counted from 1970
 * span_ms     how long it is: spans of other lengths have other keys
 * Returns 0, or -1 when memory is out. Source: RFC 5869 (HKDF with SHA-256).
 */
int derive_ticket_key(const unsigned char digest[DERIVE_BYTES], uint64_t span, uint64_t span_ms,
                      struct ticket_key *out);

/* What sessions are sealed with that are remembered by id, as long as the ticket's key is there. The same source. */
int derive_session_key(const struct ticket_key *ticket, unsigned char out[DERIVE_BYTES]);

#endif

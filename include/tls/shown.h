/* SPDX-License-Identifier: MIT */
/* The certificates of a service, found by the name that a client asks for. */
#ifndef TLS_SHOWN_H
#define TLS_SHOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/pair.h"

struct ssl_ctx_st;
struct ssl_st;

/* Made once, then read by many threads at a time. Owner: who made it. */
struct shown; /* opaque */

/* NULL when memory is out. */
struct shown *shown_new(void);
void shown_free(struct shown *shown);

/*
 * Adds a certificate with its key, as tls_pair_check wants them; the first one is the default.
 * reason  out, on failure
 */
bool shown_add(struct shown *shown, const struct tls_pair *pair, char reason[TLS_REASON_BYTES]);

/* All are there: lays out the table of names. False when memory is out. */
bool shown_settle(struct shown *shown);

/* Contexts show the default until shown_pick says otherwise. False with a reason when OpenSSL refuses it. */
bool shown_begin(const struct shown *shown, struct ssl_ctx_st *context,
                 char reason[TLS_REASON_BYTES]);

/* True when there is something to pick: names beyond those of the default. */
bool shown_has_choice(const struct shown *shown);

/* The connection shows what its client has asked for. False when memory is out. */
bool shown_pick(const struct shown *shown, struct ssl_st *ssl);

/* True when every key signs within a millisecond on any machine of today: ECDSA with P-256, Ed25519, RSA of up to 2048 bits. */
bool shown_is_quick(const struct shown *shown);

/* When the index-th one ends, in seconds since 1970. */
int64_t shown_expires(const struct shown *shown, size_t index);

/* Index, in the order they were added, of the first certificate for a name: the name itself, else *. and its parent, else the default. */
size_t shown_find(const struct shown *shown, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* Carries bytes between the ends of a relayed connection: moves and counts them, and says what a failure means. */
#ifndef RELAY_CARRY_H
#define RELAY_CARRY_H

#include "relay/conn.h"

/*
 * Moves what can be read at one half, up to a MiB. Where the host's side fails the half is marked:
 * eof with broken when reading failed, broken when writing did.
 * Returns OUTCOME_OPEN, or what the connection is to end with: the client has reset.
 */
enum outcome carry(struct conn *c, struct half *from);

/* The same with what was read at the half and waits. */
enum outcome carry_kept(struct conn *c, struct half *from);

#endif

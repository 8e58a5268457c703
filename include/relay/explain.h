/* SPDX-License-Identifier: MIT */
/* Tells all about one connection. */
#ifndef RELAY_EXPLAIN_H
#define RELAY_EXPLAIN_H

#include "base/text.h"
#include "relay/conn.h"

/*
 * Adds where it is, who chose its host, which limits run, what the kernel says of both ends: as the inside of a
 * JSON object.
 * id  of its row of the live table
 */
void explain_conn(struct text *out, const struct conn *c, uint64_t id);

#endif

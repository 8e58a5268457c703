/* SPDX-License-Identifier: MIT */
/* A group's TLS with its hosts: from what its configuration says to whom is trusted. */
#ifndef RELAY_ORIGINATION_H
#define RELAY_ORIGINATION_H

#include "conf/problems.h"
#include "relay/generation.h"

/*
 * Makes line->trust, where it is wanted.
 * Returns false with the reasons in problems, at the lines that are to blame.
 */
bool origination_prepare(struct group_line *line, const struct model *model,
                         struct problems *problems);

#endif

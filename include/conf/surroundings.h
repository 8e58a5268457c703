/* SPDX-License-Identifier: MIT */
/* Whether this machine has what a model names: users, folders, interfaces, a poller. */
#ifndef CONF_SURROUNDINGS_H
#define CONF_SURROUNDINGS_H

#include <stdbool.h>

#include "base/text.h"
#include "conf/model.h"
#include "conf/problems.h"

/* Adds what a start on this machine would fail at; makes and changes nothing. */
void surroundings_check(const struct model *model, struct problems *problems);

/*
 * Whether a process without privileges may use this congestion control.
 * available, allowed  the kernel's words of tcp_available_ and tcp_allowed_congestion_control,
 *                     between blanks; "" when unknown
 * why                 gets a sentence where it returns false
 */
bool surroundings_allow_congestion(const char *name, const char *available, const char *allowed,
                                   struct text *why);

#endif

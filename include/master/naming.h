/* SPDX-License-Identifier: MIT */
/* What master knows of names of hosts: told by the director, put into every configuration. */
#ifndef MASTER_NAMING_H
#define MASTER_NAMING_H

#include <stdbool.h>

#include "conf/model.h"
#include "share/channel.h"

struct master;

/*
 * ADDRESSES from the director, which talks to the network and is not believed: only names that the
 * current configuration or the next asks for are taken. Says what has changed, and has it rolled out.
 */
void naming_take(struct master *master, const struct received *message);

/* True when a name of the model means something else by now than when the model was built. */
bool naming_is_stale(const struct master *master, const struct model *model);

/* A configuration was committed: names it does not ask for are forgotten. */
void naming_forget_unwanted(struct master *master);

#endif

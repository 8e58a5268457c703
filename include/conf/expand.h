/* SPDX-License-Identifier: MIT */
/* Hosts whose address is a name: a line becomes a host for each address that is known. */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include <stdbool.h>

#include "conf/model.h"
#include "conf/store.h"

/*
 * Puts hosts in place of the lines that name them, by what the store knows of names; a line
 * whose name is unknown stays one host without an address. To be done once for a model.
 * Returns false when memory ran out.
 */
bool expand_names(struct conf_store *store, struct model *model);

#endif

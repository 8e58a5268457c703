/* SPDX-License-Identifier: MIT */
/* A copy of what was read, for a configuration that differs from it in little. */
#ifndef CONF_COPY_H
#define CONF_COPY_H

#include "conf/addresses.h"
#include "conf/model.h"
#include "conf/problems.h"
#include "conf/store.h"

/*
 * Copies path, files and the lines that have an effect.
 * addresses  what names mean in the copy; copied
 * Returns the store (the caller's: store_free), or NULL when memory is out.
 */
struct conf_store *store_copy(const struct conf_store *from, const struct addresses *addresses);

/*
 * Makes a model of a copied store, which it owns or frees. No file is read: those that values name were carried over, and
 * whether the machine still has what they name is not asked.
 * store  NULL = memory was out already
 * Returns the model (the caller's: conf_free), or NULL with at least one error; warnings were given when the
 * configuration was read, and are not given again.
 */
struct model *store_assemble_copy(struct conf_store *store, struct problems *problems);

#endif

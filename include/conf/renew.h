/* SPDX-License-Identifier: MIT */
/* The same configuration with other addresses for its names, and with files that have changed. */
#ifndef CONF_RENEW_H
#define CONF_RENEW_H

#include "conf/addresses.h"
#include "conf/model.h"
#include "conf/problems.h"

/*
 * Assembles the effective lines of a model anew. Of the files that values name those are read that are known to have
 * changed; the others are carried over, and whether the machine still has what lines name is not asked.
 * addresses  what names mean now; copied
 * Returns the model (the caller's: conf_free), or NULL with at least one error; warnings were given when
 * the configuration was read, and are not given again.
 */
struct model *conf_renew(const struct model *model, const struct addresses *addresses,
                         struct problems *problems);

#endif

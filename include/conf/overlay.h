/* SPDX-License-Identifier: MIT */
/* A configuration with what was set at run time laid over it. */
#ifndef CONF_OVERLAY_H
#define CONF_OVERLAY_H

#include <stdint.h>

#include "conf/model.h"
#include "conf/problems.h"

/* What holds for a host now. */
struct overlay_host {
    enum host_setting state;
    uint32_t weight;
};

/*
 * Makes a copy whose lines say what holds now. A value that is as the line has it leaves the line as it was written.
 * hosts     one for each host of the model, in their order. The addresses of a name share a line: it is changed
 *           where all of them agree, else it stays
 * in_force  one for each service: the place of the group in force, 0 = `group`, n = the n-th of `standby`; one that
 *           is not the first changes places with it
 * Returns the model (the caller's: conf_free), or NULL with an error.
 */
struct model *conf_overlay(const struct model *model, const struct overlay_host *hosts,
                           const uint32_t *in_force, struct problems *problems);

#endif

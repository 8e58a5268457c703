/* SPDX-License-Identifier: MIT */
/* Changes that admins make to the structure of the running configuration. */
#ifndef MASTER_EDITS_H
#define MASTER_EDITS_H

#include <stdbool.h>

#include "base/text.h"
#include "conf/model.h"

struct edition;
struct master;

/*
 * The director sends the change itself, not a configuration: what comes from the process that talks to
 * the network is one row of a table, and since master applies it to what is current just then, none can be stale
 * or get lost.
 */

/*
 * Applies the edits of those who ask (rollout->asking), in their order, to a copy of the current model.
 * Who cannot be served is answered and taken out of the list.
 * Returns the model (the caller's: conf_free), or NULL when nothing has changed.
 */
struct model *edits_apply(struct master *master);

/* Before an edition is brought to all: whose file it stands on, and what has been changed since. */
void edits_inherit(const struct master *master, struct edition *edition);

/* After a reload: adds a line for each edit of the edition before that the file does not have. */
void edits_print_dropped(struct text *out, const struct edition *before,
                         const struct model *model);

/* The edits of those who ask are in force: a line for each in the log. */
void edits_log(const struct master *master);

/*
 * The edits under way cannot be brought to all. When there are several, each is tried again by itself.
 * Returns false when there is but one: it is refused.
 */
bool edits_try_each(struct master *master);

#endif

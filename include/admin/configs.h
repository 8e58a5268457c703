/* SPDX-License-Identifier: MIT */
/* The configuration as text: as the file said, as it is now, and what differs. */
#ifndef ADMIN_CONFIGS_H
#define ADMIN_CONFIGS_H

#include "admin/status.h"
#include "base/text.h"

/* Adds /config: what the file said at the start or at the last good reload, defaults filled in. It reads back to the same. */
void config_written(struct text *out, const struct status *status);

/* Adds /config/running: the same with what admins have changed and set since. It reads back to the same. */
void config_running(struct text *out, const struct status *status);

/* Adds /config/diff: what a restart would lose, as a unified diff; nothing when that is nothing. */
void config_diff(struct text *out, const struct status *status);

#endif

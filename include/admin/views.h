/* SPDX-License-Identifier: MIT */
/* What is happening, for programs: running.json. */
#ifndef ADMIN_VIEWS_H
#define ADMIN_VIEWS_H

#include "admin/status.h"
#include "base/text.h"

/*
 * Adds /running.json. Programs rely on its keys: more may come, none goes and none changes its
 * meaning. Counters never go backwards; bytes_in is what clients sent. A service's errors and a
 * host's failures name only what has happened; busy_s is the time a worker spent outside its
 * poll call, so that two looks give its load.
 */
void view_json(struct text *out, const struct status *status);

#endif

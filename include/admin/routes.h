/* SPDX-License-Identifier: MIT */
/* What can be read with GET, and what answers a path. */
#ifndef ADMIN_ROUTES_H
#define ADMIN_ROUTES_H

#include <stdbool.h>

#include "admin/answer.h"
#include "admin/status.h"
#include "admin/viewer.h"

/* True for a path that GET and HEAD can have. */
bool route_is_known(const char *path);

/*
 * Answers GET of a path, 404 when there is none.
 * path    as it came: nothing is decoded, so only the plain spelling matches
 * viewer  who looks; 403 for what is not for him
 * status  NULL while there is no configuration yet: then what shows one answers 503
 */
void route_answer(const char *path, const struct status *status, const struct viewer *viewer,
                  struct answer *answer);

#endif

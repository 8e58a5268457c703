/* SPDX-License-Identifier: MIT */
/* What a call's fields name: a service, one of its groups, hosts of it. */
#ifndef ADMIN_TARGETS_H
#define ADMIN_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/answer.h"
#include "admin/fields.h"
#include "admin/status.h"

struct target {
    size_t service;   /* index into the model's services */
    size_t place;     /* of the group in its service: 0 = `group`, n = the n-th of `standby` */
    size_t group;     /* index into the model's groups */
    const char *host; /* the field `name`; NULL when the call takes none */
};

/* Each call that must be found; a call may take fewer fields. */
enum target_depth { TARGET_GROUP, TARGET_HOST };

/*
 * Finds what the fields service, group and (for TARGET_HOST) name say.
 * fields  outlive the target; the table of calls has seen to it that they are there
 * Returns false with a refusal (404) that names the nearest known.
 */
bool target_find(struct target *target, const struct status *status,
                 const struct fields *fields, enum target_depth depth, struct answer *answer);

/* True when the target names this host: NAME all addresses of its line, NAME@ADDRESS one. */
bool target_is_host(const struct target *target, const struct model_host *host);

#endif

/* SPDX-License-Identifier: MIT */
/* One change to the structure of a configuration, as an admin asks for it. */
#ifndef CONF_EDIT_H
#define CONF_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/addresses.h"
#include "conf/model.h"

#define ORIGIN_ADMIN "admin" /* file of a line that an edit made */

enum edit_kind {
    EDIT_ADD_HOST,
    EDIT_DELETE_HOST,
    EDIT_DELETE_ALL_HOSTS,
    EDIT_CHANGE_SCHEDULER,
    EDIT_NEW_SERVICE,
    EDIT_DELETE_SERVICE,
    EDIT_NEW_GROUP,
    EDIT_DELETE_GROUP,
    EDIT_ADD_USER,
    EDIT_DELETE_USER,
    EDIT_KINDS
};

/* Strings that its kind does not use are NULL; they stay the caller's. */
struct edit {
    enum edit_kind kind;
    const char *service, *group;
    const char *name; /* of a host or of a user */
    /*
     * ADD_HOST: what follows the name in a host's line, as "10.0.0.1:80 weight=3"; CHANGE_SCHEDULER, NEW_GROUP:
     * the scheduler's word; NEW_SERVICE: the listen line (group: an existing group); ADD_USER: "HASH full"
     */
    const char *value;
    const char *by; /* who asks, for the log */
};

/* How an edit went. Zero is the valid empty one. */
struct edit_verdict {
    unsigned int status; /* 0 = done; else of HTTP: 400, 404, 409, 500 */
    struct text text;    /* what was done, or why not: a line, or a line for each fault */
};
void edit_verdict_fini(struct edit_verdict *verdict);

/*
 * Makes a copy of a model with one change.
 * addresses  what names mean in the copy; copied
 * in_force   for each of the model's services the place of its group in force: 0 = `group`, n = the n-th of `standby`
 * Returns the model (the caller's: conf_free), or NULL with status and reason in the verdict.
 */
struct model *conf_edit(const struct model *model, const struct edit *edit,
                        const struct addresses *addresses, const uint32_t *in_force,
                        struct edit_verdict *verdict);

/* True when the model already has what the edit asks for. */
bool edit_is_in(const struct model *model, const struct edit *edit);

#endif

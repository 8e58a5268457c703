/* SPDX-License-Identifier: MIT */
/* One change to the structure of a configuration, as an admin asks for it. */
#ifndef CONF_EDIT_H
#define CONF_EDIT_H

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
    EDIT_DELETE_USER
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
};

#endif

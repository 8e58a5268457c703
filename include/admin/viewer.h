/* SPDX-License-Identifier: MIT */
/* Who looks at a view or makes a call. */
#ifndef ADMIN_VIEWER_H
#define ADMIN_VIEWER_H

/* What a caller may do. */
enum access { ACCESS_READONLY, ACCESS_FULL };

struct viewer {
    enum access access;
    const char *user;  /* NULL = nobody is asked for a password at this door */
    const char *token; /* that a page's calls must carry; "" = it may make none */
};

#endif

/* SPDX-License-Identifier: MIT */
/* What workers would like the director to fetch: URLs of lists that clients' certificates name. */
#ifndef SHARE_WISHES_H
#define SHARE_WISHES_H

#include <stdbool.h>

#include "share/box.h"

enum { WISHES_MOST = 32, WISH_BYTES = 256 };

struct wish_place {
    struct box box;
    char url[WISH_BYTES];
};

/* Part of the segment's daemon_row. Zeroed at creation. */
struct wishes {
    struct wish_place at[WISHES_MOST];
};

/* Any process, any thread. False when it does not fit, or too many are waiting: it may be wished again. */
bool wishes_add(struct wishes *wishes, const char *url);

/* The director alone: takes one out. False when there is none now. Frees places whose writer has died, so call it until it says so, once a second. */
bool wishes_take(struct wishes *wishes, char url[WISH_BYTES]);

#endif

/* SPDX-License-Identifier: MIT */
/* When the certificates of a configuration end, its lists and staples are to be renewed. */
#ifndef ADMIN_EXPIRIES_H
#define ADMIN_EXPIRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/model.h"

/* What may end. */
struct expiry {
    const char *section; /* "service web", "group main", "admin"; lives in the model */
    const char *key;     /* that names the file, as "certificate" */
    const char *path;    /* or URL; of a staple the certificate's */
    int64_t expires_s;   /* since 1970; 0 = a list that has not come yet */
    bool is_renewed;     /* a list or a staple: another one is to be had by then */
};

/* In the order of the file. Owner: whoever called expiries_make. */
struct expiries {
    struct expiry *at;
    size_t n;
};

/*
 * Looks at every certificate that the model names, and every list and staple; may take milliseconds for each, so not on a loop.
 * out  points into the model; to be given to expiries_fini
 * Returns 0, or -1 with errno ENOMEM.
 */
int expiries_make(const struct model *model, struct expiries *out);
void expiries_fini(struct expiries *expiries);

/* Seconds from wall_ns, since 1970, until it ends; negative once it has; 0 for what has not come yet. */
double expiry_left_s(const struct expiry *expiry, int64_t wall_ns);

#endif

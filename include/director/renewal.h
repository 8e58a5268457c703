/* SPDX-License-Identifier: MIT */
/* Fetches lists of revoked certificates and OCSP staples, and fetches them again in time. */
#ifndef DIRECTOR_RENEWAL_H
#define DIRECTOR_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>

#include <ev.h>

#include "conf/model.h"
#include "share/wishes.h"

struct renewal; /* opaque; owner: the director */

/* Something new and good was fetched; name as conf/fetched.h has it. */
typedef void renewal_tell(void *context, const char *name, const void *bytes, size_t length);

/* NULL when memory is out. */
struct renewal *renewal_new(struct ev_loop *loop, renewal_tell *tell, void *context);

/*
 * For the end of the process, which does not wait for a server far away. NULL does nothing.
 * Returns false when something is still being fetched: then nothing was freed, and the process must end by _exit(2), under
 * which threads may run.
 */
bool renewal_free(struct renewal *renewal);

/*
 * From now on what this configuration has a use for is fetched and renewed, nothing else. What is not there yet, at once.
 * model  not needed afterwards
 * Returns 0, or -1 with errno ENOMEM: the rest goes on as it was.
 */
int renewal_apply(struct renewal *renewal, const struct model *model);

/* Called once a second: begins what is due, takes the URLs that workers wish for. */
void renewal_look(struct renewal *renewal, struct wishes *wishes);

#endif

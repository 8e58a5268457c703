/* SPDX-License-Identifier: MIT */
/* One question: which addresses has this name, or this service. */
#ifndef DIRECTOR_LOOKUP_H
#define DIRECTOR_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/addresses.h"
#include "director/dns.h"

struct ev_loop;
struct lookup; /* opaque; frees itself */

/* What came of it; lives as long as the call. */
struct lookup_answer {
    const struct address *found; /* in no order */
    size_t n;
    bool is_v4_open, is_v6_open; /* a question for these failed: what is missing may be there */
    bool is_cut;     /* nothing was found out, the channel went away: ask again at once */
    uint32_t ttl_s;  /* the least of all records', 30 for what the hosts file says */
    const char *why; /* n = 0: what is wrong, in words for the log */
};
typedef void lookup_done(void *context, const struct lookup_answer *answer);

/*
 * Asks, after dns_refresh. Addresses that cannot be a host's are left out, so are those of IPv6 to
 * which this machine has no route.
 * name     as model_host.lookup: "name.example", or "srv:" and a name whose service records are asked for (RFC
 *          2782): those of the lowest priority value, and then the addresses of their targets
 * on_done  called once, from the loop, never out of this function
 * Returns it, or NULL with errno ENOMEM.
 */
struct lookup *lookup_start(struct ev_loop *loop, struct dns *dns, const char *name,
                            lookup_done *on_done, void *context);

/* on_done will not be called any more; not for one that has been done. */
void lookup_cancel(struct lookup *lookup);

#endif

/* SPDX-License-Identifier: MIT */
/* A channel of c-ares on an event loop, made anew when its servers change. */
#ifndef DIRECTOR_DNS_H
#define DIRECTOR_DNS_H

#include <stddef.h>

#include <ares.h>

#include "net/addr.h"

struct ev_loop;
struct dns; /* opaque; owner: the resolver */

/* resolv_conf: "/etc/resolv.conf" but in tests; outlives it. NULL with errno ENOMEM. */
struct dns *dns_new(struct ev_loop *loop, const char *resolv_conf);

/* Questions under way end with ARES_EDESTRUCTION. */
void dns_free(struct dns *dns);

/*
 * Questions go to these servers from the next dns_refresh on; the names are whole then, no domain is
 * searched. n = 0: to those of resolv.conf, which also tells what is searched. Copied.
 * Returns 1 when these are others than before, 0 when not, -1 with errno ENOMEM.
 */
int dns_set_servers(struct dns *dns, const struct addr *servers, size_t n);

/*
 * Makes the channel anew when the servers are others than before or resolv.conf has changed: questions under way
 * then end with ARES_EDESTRUCTION. Call it before questions, from the loop, never out of c-ares.
 * Returns 0, or -1 when no channel can be had (ENOMEM).
 */
int dns_refresh(struct dns *dns);

/* The channel to ask by; NULL before a good dns_refresh. */
ares_channel dns_channel(const struct dns *dns);

/* Call it after each question: sets the timer for answers that do not come. */
void dns_watch(struct dns *dns);

#endif

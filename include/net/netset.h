/* SPDX-License-Identifier: MIT */
/* A set of networks, made for one question: is this address in one of them? */
#ifndef NET_NETSET_H
#define NET_NETSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

/*
 * The networks as disjoint ascending ranges, so that a look-up is one binary search: 14 steps for
 * 10,000 networks. Zero is the empty set.
 */
struct netset {
    struct netset_inet {
        uint32_t first, last; /* host order */
    } * inet;
    struct netset_inet6 {
        struct in6_addr first, last;
    } * inet6;
    size_t n_inet, n_inet6;
};

/* Fills the set. Returns 0, or -1 with errno ENOMEM. */
int netset_init(struct netset *set, const struct addr_network *at, size_t n);
void netset_fini(struct netset *set);

bool netset_is_empty(const struct netset *set);

/* Whether the address (unmapped) lies in one of them; one that is no IP address never does. */
bool netset_has(const struct netset *set, const struct addr *address);

#endif

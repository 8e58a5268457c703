/* SPDX-License-Identifier: MIT */
/* A set of networks, made for one question: is this address in one of them? */
#include "net/netset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_inet(const void *a, const void *b)
{
    const struct netset_inet *left = a, *right = b;
    return left->first < right->first ? -1 : left->first > right->first;
}

static int compare_inet6(const void *a, const void *b)
{
    const struct netset_inet6 *left = a, *right = b;
    return memcmp(&left->first, &right->first, sizeof left->first);
}

static struct netset_inet range_of_inet(const struct addr_network *network)
{
    uint32_t first = ntohl(network->address.in.sin_addr.s_addr);
    uint32_t behind = network->prefix_bits == 0
                          ? UINT32_MAX
                          : (UINT32_C(1) << (32 - network->prefix_bits)) - 1;
    return (struct netset_inet){first, first | behind};
}

static struct netset_inet6 range_of_inet6(const struct addr_network *network)
{
    struct netset_inet6 range = {network->address.in6.sin6_addr,
                                 network->address.in6.sin6_addr};
    for (int bit = network->prefix_bits; bit < 128; bit++)
        range.last.s6_addr[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
    return range;
}

/*
 * Of ascending ranges, two networks overlap only when one holds the other: what ends no later
 * than the one kept last lies within it.
 */
static size_t merge_inet(struct netset_inet *ranges, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && ranges[i].first <= ranges[kept - 1].last) {
            if (ranges[i].last > ranges[kept - 1].last)
                ranges[kept - 1].last = ranges[i].last;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

static size_t merge_inet6(struct netset_inet6 *ranges, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct netset_inet6 *last = kept > 0 ? &ranges[kept - 1] : NULL;
        if (last != NULL && memcmp(&ranges[i].first, &last->last, sizeof last->last) <= 0) {
            if (memcmp(&ranges[i].last, &last->last, sizeof last->last) > 0)
                last->last = ranges[i].last;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

int netset_init(struct netset *set, const struct addr_network *at, size_t n)
{
    *set = (struct netset){0};
    if (n == 0)
        return 0;
    set->inet = calloc(n, sizeof *set->inet);
    set->inet6 = calloc(n, sizeof *set->inet6);
    if (set->inet == NULL || set->inet6 == NULL) {
        netset_fini(set);
        errno = ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (at[i].address.any.sa_family == AF_INET)
            set->inet[set->n_inet++] = range_of_inet(&at[i]);
        else if (at[i].address.any.sa_family == AF_INET6)
            set->inet6[set->n_inet6++] = range_of_inet6(&at[i]);
    }
    qsort(set->inet, set->n_inet, sizeof *set->inet, compare_inet);
    qsort(set->inet6, set->n_inet6, sizeof *set->inet6, compare_inet6);
    set->n_inet = merge_inet(set->inet, set->n_inet);
    set->n_inet6 = merge_inet6(set->inet6, set->n_inet6);
    return 0;
}

void netset_fini(struct netset *set)
{
    free(set->inet);
    free(set->inet6);
    *set = (struct netset){0};
}

bool netset_is_empty(const struct netset *set)
{
    return set->n_inet == 0 && set->n_inet6 == 0;
}

/* The last range that begins no later than the address is the only one that may hold it. */
static bool has_inet(const struct netset *set, uint32_t address)
{
    size_t low = 0, high = set->n_inet;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->inet[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address <= set->inet[low - 1].last;
}

static bool has_inet6(const struct netset *set, const struct in6_addr *address)
{
    size_t low = 0, high = set->n_inet6;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&set->inet6[middle].first, address, sizeof *address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && memcmp(address, &set->inet6[low - 1].last, sizeof *address) <= 0;
}

bool netset_has(const struct netset *set, const struct addr *address)
{
    if (address->any.sa_family == AF_INET)
        return has_inet(set, ntohl(address->in.sin_addr.s_addr));
    return address->any.sa_family == AF_INET6 && has_inet6(set, &address->in6.sin6_addr);
}

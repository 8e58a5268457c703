/* SPDX-License-Identifier: MIT */
/* A set of networks, made for one question: is this address in one of them? */
#include "net/networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_inet(const void *a, const void *b)
{
    const struct networks_inet *left = a, *right = b;
    return left->first < right->first ? -1 : left->first > right->first;
}

static int compare_inet6(const void *a, const void *b)
{
    const struct networks_inet6 *left = a, *right = b;
    return memcmp(&left->first, &right->first, sizeof left->first);
}

static struct networks_inet range_of_inet(const struct addr_network *network)
{
    uint32_t first = ntohl(network->address.in.sin_addr.s_addr);
    uint32_t behind = network->prefix_bits == 0
                          ? UINT32_MAX
                          : (UINT32_C(1) << (32 - network->prefix_bits)) - 1;
    return (struct networks_inet){first, first | behind};
}

static struct networks_inet6 range_of_inet6(const struct addr_network *network)
{
    struct networks_inet6 range = {network->address.in6.sin6_addr,
                                   network->address.in6.sin6_addr};
    for (int bit = network->prefix_bits; bit < 128; bit++)
        range.last.s6_addr[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
    return range;
}

/*
 * Of ascending ranges, two networks overlap only when one holds the other: what ends no later
 * than the one kept last lies within it.
 */
static size_t merge_inet(struct networks_inet *ranges, size_t n)
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

static size_t merge_inet6(struct networks_inet6 *ranges, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct networks_inet6 *last = kept > 0 ? &ranges[kept - 1] : NULL;
        if (last != NULL && memcmp(&ranges[i].first, &last->last, sizeof last->last) <= 0) {
            if (memcmp(&ranges[i].last, &last->last, sizeof last->last) > 0)
                last->last = ranges[i].last;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

int networks_init(struct networks *networks, const struct addr_network *at, size_t n)
{
    *networks = (struct networks){0};
    if (n == 0)
        return 0;
    networks->inet = calloc(n, sizeof *networks->inet);
    networks->inet6 = calloc(n, sizeof *networks->inet6);
    if (networks->inet == NULL || networks->inet6 == NULL) {
        networks_fini(networks);
        errno = ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (at[i].address.any.sa_family == AF_INET)
            networks->inet[networks->n_inet++] = range_of_inet(&at[i]);
        else if (at[i].address.any.sa_family == AF_INET6)
            networks->inet6[networks->n_inet6++] = range_of_inet6(&at[i]);
    }
    qsort(networks->inet, networks->n_inet, sizeof *networks->inet, compare_inet);
    qsort(networks->inet6, networks->n_inet6, sizeof *networks->inet6, compare_inet6);
    networks->n_inet = merge_inet(networks->inet, networks->n_inet);
    networks->n_inet6 = merge_inet6(networks->inet6, networks->n_inet6);
    return 0;
}

void networks_fini(struct networks *networks)
{
    free(networks->inet);
    free(networks->inet6);
    *networks = (struct networks){0};
}

bool networks_is_empty(const struct networks *networks)
{
    return networks->n_inet == 0 && networks->n_inet6 == 0;
}

/* The last range that begins no later than the address is the only one that may hold it. */
static bool has_inet(const struct networks *networks, uint32_t address)
{
    size_t low = 0, high = networks->n_inet;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (networks->inet[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address <= networks->inet[low - 1].last;
}

static bool has_inet6(const struct networks *networks, const struct in6_addr *address)
{
    size_t low = 0, high = networks->n_inet6;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&networks->inet6[middle].first, address, sizeof *address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && memcmp(address, &networks->inet6[low - 1].last, sizeof *address) <= 0;
}

bool networks_has(const struct networks *networks, const struct addr *address)
{
    if (address->any.sa_family == AF_INET)
        return has_inet(networks, ntohl(address->in.sin_addr.s_addr));
    return address->any.sa_family == AF_INET6 && has_inet6(networks, &address->in6.sin6_addr);
}

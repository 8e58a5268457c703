/* SPDX-License-Identifier: MIT */
/* How often an address has failed to say a right password of late. */
#include "admin/tries.h"

#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* IPv4 also where it comes through an IPv6 socket. */
static void make_key(uint64_t key[2], const struct addr *from)
{
    key[0] = key[1] = 0;
    if (from->any.sa_family == AF_INET) {
        key[0] = 4;
        memcpy(&key[1], &from->in.sin_addr, sizeof from->in.sin_addr);
    } else if (from->any.sa_family == AF_INET6) {
        const unsigned char *bytes = from->in6.sin6_addr.s6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr) != 0;
        key[0] = is_mapped ? 4 : 6;
        memcpy(&key[1], bytes + (is_mapped ? 12 : 0), is_mapped ? 4 : 8);
    }
}

/* The address's slot; NULL = it has none. */
static struct tries_slot *find(struct tries *tries, const uint64_t key[2])
{
    for (size_t i = 0; i < TRIES_SLOTS; i++) {
        struct tries_slot *slot = &tries->slots[i];
        if (slot->since_ns != 0 && slot->key[0] == key[0] && slot->key[1] == key[1])
            return slot;
    }
    return NULL;
}

/* A free one, or the one that has been counting for longest. */
static struct tries_slot *find_oldest(struct tries *tries)
{
    struct tries_slot *oldest = &tries->slots[0];
    for (size_t i = 1; i < TRIES_SLOTS; i++)
        if (tries->slots[i].since_ns < oldest->since_ns)
            oldest = &tries->slots[i];
    return oldest;
}

uint32_t tries_begin(struct tries *tries, const struct addr *from, uint64_t now_ns)
{
    uint64_t key[2];
    make_key(key, from);
    struct tries_slot *slot = find(tries, key);
    if (slot == NULL)
        slot = find_oldest(tries);
    bool is_its_own = slot->since_ns != 0 && slot->key[0] == key[0] && slot->key[1] == key[1];
    if (!is_its_own || now_ns - slot->since_ns >= TRIES_WINDOW_NS)
        *slot = (struct tries_slot){.key = {key[0], key[1]}, .since_ns = now_ns};
    if (slot->n >= TRIES_MOST) {
        uint64_t left_ns = TRIES_WINDOW_NS - (now_ns - slot->since_ns);
        return (uint32_t)((left_ns + NS_PER_S - 1) / NS_PER_S);
    }
    slot->n++;
    return 0;
}

void tries_end_well(struct tries *tries, const struct addr *from)
{
    uint64_t key[2];
    make_key(key, from);
    struct tries_slot *slot = find(tries, key);
    if (slot != NULL && slot->n > 0)
        slot->n--;
}

/* SPDX-License-Identifier: MIT */
/* How often an address has failed to say a right password of late. */
#ifndef ADMIN_TRIES_H
#define ADMIN_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

enum { TRIES_MOST = 10, TRIES_SLOTS = 1024 };
#define TRIES_WINDOW_NS (UINT64_C(60) * 1000000000)

/* An address; one of IPv6 by its first 64 bits, which are one customer's. Zero is free. */
struct tries_slot {
    uint64_t key[2];
    uint64_t since_ns; /* when its minute began; 0 = free */
    uint32_t n;
};

/* Zero is the valid empty one. Bounded: when all slots are taken the one whose minute began first goes. */
struct tries {
    struct tries_slot slots[TRIES_SLOTS];
};

/*
 * Counts a try before its password is looked at, so that a hundred at once are not all let through.
 * Returns 0, or in how many seconds (1 to 60) the address may try again.
 */
uint32_t tries_begin(struct tries *tries, const struct addr *from, uint64_t now_ns);

/* The password was right: the try is taken back. */
void tries_end_well(struct tries *tries, const struct addr *from);

#endif

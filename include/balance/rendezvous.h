/* SPDX-License-Identifier: MIT */
/* Rendezvous hashing: which of several hosts of different weight has the best claim to a key. */
#ifndef BALANCE_RENDEZVOUS_H
#define BALANCE_RENDEZVOUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

/*
 * Rendezvous or highest random weight hashing (Thaler and Ravishankar, "Using Name-Based Mappings
 * to Increase Hit Rates", 1998), weighted by the logarithmic method (Schindelhauer and Schomaker,
 * "Weighted Distributed Hash Tables", 2005). Whole numbers only: the results are the same on every
 * machine and may never change from one release to the next.
 */
struct rendezvous_bid {
    uint64_t draw;   /* rendezvous_draw of key and host */
    uint32_t weight; /* 1 to 256 */
};

/* A host's number for a key. identity: of the host, well mixed, as scheduler_identity gives it. */
static inline uint64_t rendezvous_draw(uint64_t key, uint64_t identity)
{
    return hash_mix(hash_mix(key) ^ identity);
}

/* -log2(draw / 2^64), 0 to 64, with 48 bits behind the point; falls as draw rises. */
uint64_t rendezvous_cost(uint64_t draw);

/* Whether the bid beats the other; among bids of different draws exactly one of two does. */
bool rendezvous_is_better(const struct rendezvous_bid *bid, const struct rendezvous_bid *than);

#endif

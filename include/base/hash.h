/* SPDX-License-Identifier: MIT */
/* Keyed 64-bit hash (SipHash-2-4, Aumasson and Bernstein 2012), fast non-secret random numbers. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A secret that keeps an attacker from choosing colliding keys; fill it from getrandom(2). */
struct hash_key {
    uint64_t word[2];
};

/* State of xoshiro256** (Blackman and Vigna 2018); seed it with random_init before use. */
struct random {
    uint64_t word[4];
};

/* SipHash-2-4 of the bytes. Equal on every machine for equal key and bytes. */
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length);

/* Mixes 64 bits, one to one: the end of SplitMix64 (Steele, Lea, Flood 2014). 0 stays 0. */
static inline uint64_t hash_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Seeds from getrandom(2); seed != 0 gives a repeatable sequence for tests instead. */
void random_init(struct random *random, uint64_t seed);

/* The next 64 random bits; not for secrets. */
uint64_t random_next(struct random *random);

/* A uniform number in [0, bound); bound > 0 (Lemire's multiply and reject, 2019). */
uint64_t random_below(struct random *random, uint64_t bound);

#endif

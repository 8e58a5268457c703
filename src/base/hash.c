/* SPDX-License-Identifier: MIT */
/* Keyed 64-bit hash (SipHash-2-4, Aumasson and Bernstein 2012), fast non-secret random numbers. */
#include "base/hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static void sip_absorb(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t load_little(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length)
{
    /* The four constants are the ASCII text "somepseudorandomlygeneratedbytes". */
    struct sip_state s = {
        .v0 = key->word[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->word[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->word[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->word[1] ^ UINT64_C(0x7465646279746573),
    };
    const unsigned char *at = bytes;
    size_t left = length;
    for (; left >= 8; at += 8, left -= 8)
        sip_absorb(&s, load_little(at));
    uint64_t last = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    sip_absorb(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SplitMix64 (Steele, Lea, Flood 2014): spreads a small seed over the whole state. */
static uint64_t splitmix_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

void random_init(struct random *random, uint64_t seed)
{
    if (seed == 0) {
        if (getrandom(random->word, sizeof random->word, 0) == (ssize_t)sizeof random->word)
            return;
        /* Forbidden by a sandbox: not secret, so time and process number do. */
        seed = clock_now_ns() ^ (uint64_t)getpid() << 40;
    }
    for (size_t i = 0; i < 4; i++)
        random->word[i] = splitmix_next(&seed);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->word;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)random_next(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t reject_below = (0 - bound) % bound; /* 2^64 modulo bound */
        while ((uint64_t)product < reject_below)
            product = (wide)random_next(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

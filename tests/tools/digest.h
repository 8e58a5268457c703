/* SPDX-License-Identifier: MIT */
/* SHA-256 of a stream, for hosts that prove what passed through them. */
#ifndef TOOLS_DIGEST_H
#define TOOLS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct digest {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

void digest_init(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t n);

/* The 64 hexadecimal digits and a NUL of what was added so far; the digest can go on. */
void digest_print(const struct digest *digest, char out[65]);

#endif

/* SPDX-License-Identifier: MIT */
/* What workers remember for each other by an id: the sessions of TLS clients that take no tickets. */
#ifndef SHARE_REMEMBERED_H
#define SHARE_REMEMBERED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REMEMBERED_WAYS = 4,
    REMEMBERED_MOST = 8192, /* of the whole daemon; the oldest of an id's bucket goes first */
    REMEMBERED_BYTES = 2000,
    REMEMBERED_ID_BYTES = 32,
    REMEMBERED_WORDS = REMEMBERED_BYTES / 8
};

/*
 * Zero is a free one. It is written and read word by word without a lock: who looks while another writes, or after
 * another was killed over it, gets parts of two. Whoever puts something in must be able to tell (sealed bytes are).
 */
struct remembered {
    _Atomic uint64_t id[REMEMBERED_ID_BYTES / 8];
    _Atomic uint64_t since_ns; /* monotonic */
    _Atomic uint64_t length;
    _Atomic uint64_t words[REMEMBERED_WORDS];
};

/* Any process, any thread. Longer than REMEMBERED_BYTES is not kept. The id is by chance, and never all zero. */
void remembered_put(struct remembered *table, const unsigned char id[REMEMBERED_ID_BYTES],
                    const void *bytes, size_t length, uint64_t now_ns);

/* Copies what was put in under the id. Returns its length, 0: it is not there, or not any more. */
size_t remembered_get(const struct remembered *table,
                      const unsigned char id[REMEMBERED_ID_BYTES],
                      unsigned char out[REMEMBERED_BYTES]);

#endif

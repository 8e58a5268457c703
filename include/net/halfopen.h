/* SPDX-License-Identifier: MIT */
/* At which ports of this machine TCP handshakes are half open. */
#ifndef NET_HALFOPEN_H
#define NET_HALFOPEN_H

#include <stdbool.h>
#include <stdint.h>

/* One bit for each port. Zero is none. */
struct halfopen {
    uint64_t bits[1024];
};

/*
 * Asks the kernel (sock_diag(7)) for all handshakes whose last ACK has not come; not for those the
 * kernel keeps no note of (SYN cookies). It walks the table of all connections: for rare moments.
 * Returns 0, or -1 with errno and no port set.
 */
int halfopen_read(struct halfopen *out);

/* True when the port was among them. */
bool halfopen_has(const struct halfopen *halfopen, uint16_t port);

#endif

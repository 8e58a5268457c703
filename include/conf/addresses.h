/* SPDX-License-Identifier: MIT */
/* What names of hosts are known to mean: plain data that the resolver finds and every configuration is built with. */
#ifndef CONF_ADDRESSES_H
#define CONF_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "net/addr.h"

/* One meaning of a name. */
struct address {
    struct addr at; /* port 0 for a plain name, the target's port for a service record */
    uint32_t
        weight; /* a service record's, 1 to 256: the host's weight is multiplied by it; plain names: 1 */
};

/* A name with its addresses, in ascending order, so that the order of an answer means nothing. */
struct address_entry {
    char *lookup; /* as model_host.lookup; owned */
    struct address *addresses;
    size_t n;
};

/* Owner: whoever made it. Zero is the empty set. */
struct addresses {
    struct address_entry *entries; /* by name, ascending; owned with all they hold */
    size_t n;
};

#define ADDRESSES_A_NAME 256 /* most addresses of one name; further ones are left out */

/*
 * Says what a name means from now on; the addresses are copied, sorted, freed of double ones and
 * of those that nothing can be connected to (0.0.0.0, ::, 255.255.255.255, multicast, a service
 * record without a port); weights are brought to 1 to 256, ports and weights of a plain name to 0 and 1.
 * n  0 forgets the name, as does having no address left
 * Returns 1 when that changes something, 0 when not, -1 with errno ENOMEM.
 */
int addresses_set(struct addresses *addresses, const char *lookup, const struct address *found,
                  size_t n);

/* The entry of a name, or NULL when nothing is known of it. */
const struct address_entry *addresses_find(const struct addresses *addresses,
                                           const char *lookup);

/* A sealed memfd (the caller's), or -1 with errno. */
int addresses_encode(const struct addresses *addresses);

/*
 * Reads what addresses_encode wrote; fd stays the caller's. Nothing is believed: only IP addresses that
 * can be connected to are taken, names are checked.
 * Returns 0, or -1 with errno EPROTO (out is empty then) or ENOMEM.
 */
int addresses_decode(int fd, struct addresses *out);

/* As encode and decode, into and out of a text; *at is moved behind what was read, -1 leaves out empty. */
void addresses_add(struct text *out, const struct addresses *addresses);
int addresses_take(const char **at, const char *end, struct addresses *out);

/* A copy of all. 0 or -1 with errno ENOMEM. */
int addresses_copy(struct addresses *out, const struct addresses *from);

void addresses_fini(struct addresses *addresses);

#endif

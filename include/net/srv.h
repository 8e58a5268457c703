/* SPDX-License-Identifier: MIT */
/* Reads the service records out of an answer of the DNS. */
#ifndef NET_SRV_H
#define NET_SRV_H

#include <stddef.h>
#include <stdint.h>

#define SRV_NAME_BYTES 256 /* a name of the DNS as text with its NUL */

/* One service record (RFC 2782). */
struct srv_record {
    uint32_t ttl_s;
    uint16_t priority, weight, port;
    char target[SRV_NAME_BYTES]; /* no dot at the end */
};

/*
 * Walks a whole answer (RFC 1035 §4) and takes the service records of its answer section; their
 * owner is not looked at, it may be an alias's. Nothing is believed: names may point backwards only.
 * A record whose target is no host's name, the root (RFC 2782: there is no such service) or whose port is 0
 * is passed over.
 * records  room for most; further ones are left out, those of a higher priority value first
 * Returns how many there are, 0 to most, or -1 with errno EPROTO when the answer is damaged.
 */
int srv_parse(const unsigned char *bytes, size_t length, struct srv_record *records, int most);

/*
 * Keeps the records of the lowest priority value, and scales their weights to 1 to 256: 0 counts as 1, and
 * where one is above 256 all shrink in proportion.
 * Returns how many are left at the start of records.
 */
int srv_choose(struct srv_record *records, int n);

#endif

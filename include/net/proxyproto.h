/* SPDX-License-Identifier: MIT */
/* The PROXY protocol, versions 1 and 2: bytes to a header and back. */
#ifndef NET_PROXYPROTO_H
#define NET_PROXYPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

/* Source: HAProxy's proxy-protocol.txt, of 2020/03/05. Everything here is strict: what is not as written there is no header. */

#define PROXYPROTO_V1_BYTES 107 /* the longest of version 1, with its newline */
#define PROXYPROTO_MOST_BYTES                                                                  \
    4096 /* of version 2 that we accept; its length could say 65,551 */

enum proxy_command {
    PROXY_LOCAL, /* the proxy's own connection, as a check: the addresses are those of the socket */
    PROXY_PROXY
};

/* Types of TLVs, section 2.2. */
enum proxy_tlv {
    PROXY_TLV_ALPN = 0x01,
    PROXY_TLV_AUTHORITY = 0x02,
    PROXY_TLV_CRC32C = 0x03,
    PROXY_TLV_NOOP = 0x04,
    PROXY_TLV_UNIQUE_ID = 0x05,
    PROXY_TLV_SSL = 0x20,
    PROXY_TLV_SSL_VERSION = 0x21, /* this and the next ones: within SSL */
    PROXY_TLV_SSL_CN = 0x22,
    PROXY_TLV_SSL_CIPHER = 0x23,
    PROXY_TLV_SSL_SIG_ALG = 0x24,
    PROXY_TLV_SSL_KEY_ALG = 0x25,
    PROXY_TLV_NETNS = 0x30
};

struct proxy_header {
    enum proxy_command command;
    /* Unmapped; AF_UNSPEC: unknown (LOCAL, UNKNOWN, UNSPEC), or AF_UNIX, whose paths are not kept. */
    struct addr source, target;
    size_t length;             /* of the header: what comes behind is the client's */
    const unsigned char *tlvs; /* lie in the bytes that were parsed */
    size_t tlvs_length;
    const char *reason; /* PROXYPROTO_INVALID: what is wrong; static */
};

enum proxyproto_verdict { PROXYPROTO_MORE, PROXYPROTO_COMPLETE, PROXYPROTO_INVALID };

/*
 * Parses what has come so far, from its first byte on; cheap enough to be done anew whenever more has come.
 * out  filled for PROXYPROTO_COMPLETE; reason for PROXYPROTO_INVALID, which is told at the first byte that no header has
 */
enum proxyproto_verdict proxyproto_parse(const unsigned char *bytes, size_t length,
                                         struct proxy_header *out);

struct proxy_value {
    uint8_t type;
    const unsigned char *bytes;
    size_t length;
};

/*
 * The next of a header's TLVs.
 * at, left  the rest of them; moved behind it
 * Returns false at the end, and for what is none.
 */
bool proxyproto_next(const unsigned char **at, size_t *left, struct proxy_value *out);

/*
 * Prints version 1. Addresses of two families become IPv6 both; what is no IP address becomes UNKNOWN.
 * Returns its length, at most PROXYPROTO_V1_BYTES; there is no NUL.
 */
size_t proxyproto_print_v1(unsigned char out[PROXYPROTO_V1_BYTES], const struct addr *source,
                           const struct addr *target);

/* A header of version 2 under construction. Zero it, set bytes and room, begin. */
struct proxy_builder {
    unsigned char *bytes;
    size_t room, length;
    bool is_full; /* something did not fit: the header is none */
};

/* source, target: as for version 1; what is no IP address becomes UNSPEC */
void proxyproto_begin(struct proxy_builder *builder, enum proxy_command command,
                      const struct addr *source, const struct addr *target);

void proxyproto_add(struct proxy_builder *builder, enum proxy_tlv type, const void *bytes,
                    size_t length);

/* Adds received ones but CRC32C and NOOP. */
void proxyproto_add_received(struct proxy_builder *builder, const unsigned char *tlvs,
                             size_t length);

/*
 * Adds a CRC32C over all and sets the length.
 * Returns how long the header is; 0 when something did not fit.
 */
size_t proxyproto_end(struct proxy_builder *builder);

#endif

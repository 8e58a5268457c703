/* SPDX-License-Identifier: MIT */
/* Addresses and networks: parse, print, compare, match. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDR_TEXT_BYTES 120 /* room for any printed address and its NUL */

/* An address of a socket; zero is "none" (family AF_UNSPEC). */
struct addr {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t length;
};

/* A block of addresses: the first prefix_bits bits of address count. */
struct addr_network {
    struct addr address; /* port 0; bits behind the prefix are zero */
    int prefix_bits;
};

/* What a configuration may name where an address is asked for. */
enum addr_kind { ADDR_SOCKET, ADDR_WILDCARD, ADDR_NAME, ADDR_SRV };

struct addr_spec {
    enum addr_kind kind;
    struct addr address; /* ADDR_SOCKET: complete; ADDR_WILDCARD: [::]:port */
    char name[256];      /* ADDR_NAME, ADDR_SRV: the name asked for, NUL-terminated */
    uint16_t port;       /* host order; 0 for unix and srv */
};

/*
 * "192.0.2.1:80" "[2001:db8::1]:80" "*:80" "name.example:80" "srv:_http._tcp.name.example"
 * "unix:/path" "unix:@abstract". Ports 1 to 65535; IPv6 needs brackets; IPv4 exactly four
 * decimal parts; something that looks like a number but is no address is no name either.
 * Returns 0, or -1 with *why set to a static sentence for the user ("port must be 1 to 65535").
 */
int addr_parse(const char *text, struct addr_spec *out, const char **why);

/* "10.0.0.0/8", "2001:db8::/32", "::/0", or a bare address (then a whole-length prefix). Bits behind the prefix must be zero. As addr_parse. */
int addr_parse_network(const char *text, struct addr_network *out, const char **why);

/* Text that addr_parse reads back: IPv4-mapped IPv6 is shown as IPv4, abstract unix as unix:@name, an unnamed unix peer as "unix:". Returns out. */
const char *addr_print(char out[ADDR_TEXT_BYTES], const struct addr *address);

/* The IP address alone, without port and brackets; "" for what has none. Returns out. */
const char *addr_print_host(char out[ADDR_TEXT_BYTES], const struct addr *address);
const char *addr_spec_print(char out[ADDR_TEXT_BYTES + 256], const struct addr_spec *spec);
const char *addr_print_network(char out[ADDR_TEXT_BYTES], const struct addr_network *network);

/* Turns ::ffff:a.b.c.d into a.b.c.d in place; others stay. Call it on what accept4 gave. */
void addr_unmap(struct addr *address);

/* Same family, address, port and scope. */
bool addr_is_equal(const struct addr *a, const struct addr *b);

/* Host-order port; 0 for others than IP. */
uint16_t addr_port(const struct addr *address);

/* True when the address (unmapped) lies in the network; families must agree. */
bool addr_network_has(const struct addr_network *network, const struct addr *address);

/*
 * The bytes by which clients count as one: family and address with the bits behind the prefix
 * cleared, the same length for all. IPv4-mapped IPv6 counts as IPv4; the port does not count, and all that have no IP
 * address are one.
 * inet_bits, inet6_bits  prefix lengths, 0 to 32, 0 to 128
 */
#define ADDR_PREFIX_BYTES 17
void addr_prefix(unsigned char out[ADDR_PREFIX_BYTES], const struct addr *address,
                 int inet_bits, int inet6_bits);

/* 127.0.0.0/8, ::1 or a unix socket. */
bool addr_is_loopback(const struct addr *address);

/*
 * True when an IP address (its port does not count) can be one host's: not unspecified, multicast,
 * broadcast (255.255.255.255), nor IPv6 link-local without a scope.
 */
bool addr_is_one_host(const struct addr *address);

#endif

/* SPDX-License-Identifier: MIT */
/* Make, bind, listen, accept, connect, tune non-blocking sockets. */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

/* What a listener or a host's socket is tuned to; zero is the kernel's way. */
struct sock_options {
    bool nodelay;            /* TCP_NODELAY */
    bool cork;               /* not set by sock_tune: the relay corks around bursts */
    bool keepalive;          /* SO_KEEPALIVE */
    int64_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0 = the kernel's */
    const char *congestion;  /* TCP_CONGESTION name; NULL or "" = the system's */
};

/*
 * A listening-to-be TCP socket: close-on-exec, non-blocking, SO_REUSEADDR, SO_REUSEPORT,
 * bound, not yet listening. A wildcard [::] takes both families (IPV6_V6ONLY off), any
 * other IPv6 address only its own; where the machine has no IPv6 the wildcard falls back
 * to 0.0.0.0.
 * interface  SO_BINDTODEVICE, NULL or "" = any
 * Returns the descriptor (the caller's), or -1 with errno as bind(2).
 */
int sock_open_listener(const struct addr *address, const char *interface);

/*
 * Tunes a socket, whatever it was tuned to before: also what is at the kernel's way is set
 * back to it. An accepted socket inherits all of it from its listener. Returns 0, or -1 with
 * errno at the first that fails.
 */
int sock_tune(int fd, const struct sock_options *options);

/* As sock_tune for a socket never tuned before: what stays the kernel's way costs no call. */
int sock_tune_fresh(int fd, const struct sock_options *options);

/* Starts listening, or changes the backlog of one that listens. Returns 0 or -1 with errno. */
int sock_listen(int fd, int backlog);

/*
 * True when the address can be bound without SO_REUSEPORT: nobody else, also no second
 * daemon of the same user, has it. Leaves nothing open; errno tells why not.
 */
bool sock_is_free(const struct addr *address, const char *interface);

/* Connections waiting in the accept queue of a listening TCP socket, or -1 with errno (TCP_INFO's tcpi_unacked). */
int sock_queue_length(int listener);

/* Accepts one: close-on-exec, non-blocking. peer (may be NULL) is unmapped. Returns the descriptor or -1 with errno. */
int sock_accept(int listener, struct addr *peer);

/* A fresh non-blocking, close-on-exec stream socket for the family (AF_INET, AF_INET6, AF_UNIX). -1 with errno. */
int sock_open_stream(int family);

/*
 * Gives a socket the address it will connect from; the port is chosen by connect(2) alone
 * (IP_BIND_ADDRESS_NO_PORT), so that one port can serve towards many hosts.
 * is_transparent  the address need not be one of this machine (IP_TRANSPARENT, CAP_NET_RAW)
 * Returns 0, or -1 with errno (EADDRNOTAVAIL: no such address here; EPERM: no capability).
 */
int sock_bind_source(int fd, const struct addr *source, bool is_transparent);

/* Whether a connect's errno is this machine's own shortage (descriptors, memory, ports) and tells nothing of the host. */
bool sock_is_shortage(int error);

/* Turns a connected or failed TCP socket back into a fresh one: connect(2) with AF_UNSPEC. Returns 0 or -1 with errno. */
int sock_recycle(int fd);

/* Arranges that close(2) sends a reset at once (SO_LINGER 0). */
void sock_arm_reset(int fd);

/*
 * False when this machine has no way to the IP address: no route, no address of its own, not the
 * family. Nothing is sent.
 */
bool sock_has_route(const struct addr *address);

/* Takes and clears SO_ERROR; 0 when there is none. */
int sock_take_error(int fd);

/* Bytes written to a TCP socket, with its FIN, that the peer has not acknowledged; -1 with errno. */
int sock_unacknowledged(int fd);

/*
 * New connections to this TCP listener are no longer answered (a filter drops SYNs), half-open
 * ones may finish. Returns 0, or -1 with errno; EPERM on newer kernels (seen on 6.18), which
 * want CAP_NET_ADMIN for a filter on a TCP socket: then use sock_open_sink.
 */
int sock_refuse_new(int listener);

/*
 * The same for a whole reuseport group, without privilege: one more socket joins the group of
 * the member, drops every SYN, and all new connections are steered to it. (Only a SYN with an
 * untouched hop limit of 255, which no usual system sends, waits in its queue.)
 * n_members  sockets of the group that listen now
 * Returns the sink, the caller's; close it after the members. -1 with errno.
 */
int sock_open_sink(int member, uint16_t n_members);

/*
 * Steers new connections of the reuseport group of fd to the given members at random.
 * indexes  positions in the order of listen(2), n of them (1 to 256); n = 0 takes the
 *          program away again (the kernel's hash over all).
 * Returns 0 or -1 with errno.
 */
int sock_steer(int fd, const uint16_t *indexes, int n);

#endif

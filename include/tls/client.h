/* SPDX-License-Identifier: MIT */
/* A TLS handshake with a host over a connected socket: whether it succeeds, and if not, why in words. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TLS_REASON_BYTES 128 /* room for any reason and its NUL */

/* Whom to trust. Made once, used by many handshakes; owner: who made it. */
struct tls_trust; /* opaque */

/*
 * bytes   certificates in PEM, one after the other; length 0: whoever answers is trusted
 * reason  out, on failure: what is wrong with them
 * NULL when they cannot be used.
 */
struct tls_trust *tls_trust_new(const unsigned char *bytes, size_t length,
                                char reason[TLS_REASON_BYTES]);
void tls_trust_free(struct tls_trust *trust);

/*
 * Hosts that ask for a certificate are shown this one.
 * reason  out, on failure
 */
struct tls_pair;
bool tls_trust_show(const struct tls_trust *trust, const struct tls_pair *pair,
                    char reason[TLS_REASON_BYTES]);

struct ssl_ctx_st;
struct ssl_st;

/* For tls/stream alone, as the next one. */
struct ssl_ctx_st *tls_trust_context(const struct tls_trust *trust);

/* A client's side that asks for name, as tls_client_new has it; NULL when memory is out. */
struct ssl_st *tls_trust_open(const struct tls_trust *trust, const char *name);

/* Why its handshake has failed. socket_error  an errno, or 0. True when the certificate is to blame. */
bool tls_trust_explain(const struct tls_trust *trust, const struct ssl_st *ssl,
                       int socket_error, char reason[TLS_REASON_BYTES]);

/* One handshake. Owner: who made it. */
struct tls_client; /* opaque */

enum tls_step {
    TLS_DONE,
    TLS_WANTS_READ,  /* call again when the socket can be read */
    TLS_WANTS_WRITE, /* or written */
    TLS_COMPUTES,    /* a stream of a server: the private key is needed now */
    TLS_FAILED       /* see tls_client_reason */
};

/*
 * fd    a connected non-blocking socket, the caller's; outlives the client
 * name  a host name (sent as SNI) or an IP address that the certificate must be for, where trust
 *       names certificates at all; "" = none
 * Speaks TLS 1.2 and later. SIGPIPE must be ignored. NULL when memory is out.
 */
struct tls_client *tls_client_new(const struct tls_trust *trust, int fd, const char *name);

/* Goes on as far as it can without waiting. */
enum tls_step tls_client_shake(struct tls_client *client);

/*
 * After TLS_DONE, as read(2) and write(2): how many bytes; 0 from reading: the end; -1 with errno, EAGAIN: not now, and
 * EPROTO where TLS itself has failed. What was not written is to be given again as it is.
 */
ssize_t tls_client_read(struct tls_client *client, void *bytes, size_t room);
ssize_t tls_client_write(struct tls_client *client, const void *bytes, size_t length);

/* Sends close_notify, as far as the socket takes it at once; the socket is left open. */
void tls_client_close(struct tls_client *client);

/* After TLS_FAILED: why, in words for people. Lives as long as the client. */
const char *tls_client_reason(const struct tls_client *client);

void tls_client_free(struct tls_client *client);

#endif

/* SPDX-License-Identifier: MIT */
/* One TLS 1.3 connection of a load client, non-blocking. */
#ifndef BENCH_TLSCLIENT_H
#define BENCH_TLSCLIENT_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Where to connect; name is asked for by SNI, NULL: none. */
struct tls_target {
    struct sockaddr_storage address;
    socklen_t length;
    const char *name;
};

/* What became of a call; after TLS_AGAIN the client's wants says what to poll for. */
enum tls_io { TLS_DONE, TLS_AGAIN, TLS_EOF, TLS_LOST };

/*
 * Zero is a valid, closed one. It must not move while it is open. A ticket outlives the
 * connection that brought it, for the next tls_client_open.
 */
struct tls_client {
    int fd;
    SSL *ssl; /* NULL: closed */
    uint32_t wants;
    SSL_SESSION *ticket; /* the newest that came */
    uint64_t n_tickets;  /* that came over this and earlier connections */
};

enum { TLS_HELLO_MOST = 1024 };

/*
 * What all clients share: TLS 1.3 only, X25519 only, nothing about the server is verified.
 * cipher  the one TLS 1.3 suite that is offered
 * Returns NULL when OpenSSL refuses it. The caller frees it.
 */
SSL_CTX *tls_client_context(const char *cipher);

/*
 * Begins to connect.
 * session  to be resumed, NULL: a full handshake; stays the caller's
 * Returns -1 with errno when there is no socket or no memory; a refusal shows in the handshake.
 */
int tls_client_open(struct tls_client *client, SSL_CTX *context,
                    const struct tls_target *target, SSL_SESSION *session);

/* Connects and shakes hands as far as it goes. */
enum tls_io tls_client_handshake(struct tls_client *client);

/* Writes from *sent on, which goes forward; TLS_DONE when all n bytes are out. */
enum tls_io tls_client_send(struct tls_client *client, const uint8_t *data, size_t n,
                            size_t *sent);

/* Reads what is there, most n bytes, into data; TLS_DONE tells in *got how many (> 0). */
enum tls_io tls_client_receive(struct tls_client *client, uint8_t *data, size_t n, size_t *got);

/* Says that nothing more will come from here: close_notify, then FIN. */
enum tls_io tls_client_finish(struct tls_client *client);

/* Closes; the ticket stays. */
void tls_client_close(struct tls_client *client);

/* After TLS_LOST: what OpenSSL or the kernel says about it, into text. */
void tls_client_explain(char *text, size_t size);

/*
 * A first word that can be said again and again, so that it costs who says it nothing.
 * Returns its length, 0 when OpenSSL makes none.
 */
size_t tls_client_hello(SSL_CTX *context, const struct tls_target *target,
                        uint8_t hello[TLS_HELLO_MOST]);

/* A connection without TLS of its own: for the two calls below and tls_client_close alone. -1 with errno. */
int tls_client_open_bare(struct tls_client *client, const struct tls_target *target);

/* TLS_DONE: all was said, and wants is for the answer. */
enum tls_io tls_client_say(struct tls_client *client, const uint8_t *hello, size_t n);

/* TLS_DONE: something of an answer has come. */
enum tls_io tls_client_hear(struct tls_client *client);

#endif

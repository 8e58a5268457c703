/* SPDX-License-Identifier: MIT */
/* One end of a connection that speaks TLS: a handshake over bytes in memory, then a transport over the socket. */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "net/transport.h"
#include "tls/client.h"
#include "tls/query.h"
#include "tls/serverside.h"

/*
 * How it is used. The loop feeds what the socket gives, somebody calls tls_stream_shake (any
 * thread, one at a time: that is where the time goes), the loop sends what tls_stream_answer has,
 * and so on until TLS_DONE. From then on the stream is the state of tls_transport; what was fed
 * beyond the handshake is read before what the socket has. Owner: the connection, or the job that
 * it was handed to.
 */
struct tls_stream; /* opaque */

extern const struct transport tls_transport;

/* The server's side; NULL when memory is out. The server must live until the handshake is over. */
struct tls_stream *tls_stream_accept(const struct tls_server *server);

/*
 * Makes a trust fit for streams: sessions may be resumed.
 * pair    shown to servers that ask for a certificate; NULL: none
 * reason  out, on failure
 */
bool tls_stream_prepare(const struct tls_trust *trust, const struct tls_pair *pair,
                        char reason[TLS_REASON_BYTES]);

/*
 * The client's side, which speaks first: shake before anything was fed.
 * trust    as tls_stream_prepare made it; must live until the handshake is over
 * name     as tls_client_new
 * session  of an earlier stream to the same server, to be resumed; NULL: none. Stays the caller's
 * NULL when memory is out.
 */
struct ssl_session_st;
struct tls_stream *tls_stream_connect(const struct tls_trust *trust, const char *name,
                                      struct ssl_session_st *session);

/* The session that the server gave since this was asked last; NULL: none. The caller's, to be freed: */
struct ssl_session_st *tls_stream_take_session(struct tls_stream *stream);
void tls_session_free(struct ssl_session_st *session);

void tls_stream_free(struct tls_stream *stream);

/* Adds bytes that came from the other side; false when memory is out. */
bool tls_stream_feed(struct tls_stream *stream, const void *bytes, size_t length);

/*
 * Goes on with what was fed; TLS_WANTS_WRITE is not returned.
 * may_compute  false: a server's side stops with TLS_COMPUTES where it would need its private key, and a call with true goes on
 */
enum tls_step tls_stream_shake(struct tls_stream *stream, bool may_compute);

/*
 * Whether the next step, as far as it goes without the private key, is so small that handing it to another thread would
 * cost more: a first one, which also takes up sessions, and the last flight of a client that shows no certificate now.
 */
bool tls_stream_is_light(const struct tls_stream *stream);

/* Whether the next step, which is not light, takes some hundred microseconds at most: it has no certificate to verify, and a quick key. */
bool tls_stream_is_quick(const struct tls_stream *stream);

/* What is to be sent, *length bytes; valid until the next call. The first so many were sent: */
const unsigned char *tls_stream_answer(const struct tls_stream *stream, size_t *length);
void tls_stream_sent(struct tls_stream *stream, size_t length);

/*
 * After TLS_DONE: whether what is to be sent is a ticket alone. Nobody waits for that now, so it may stay: once settled,
 * the stream sends it in one piece with the first bytes, or when it finds nothing to read.
 */
bool tls_stream_may_hold(const struct tls_stream *stream);

/* The handshake is over: the socket is read and written from now on. */
void tls_stream_settle(struct tls_stream *stream);

/* After TLS_FAILED: why, in words for people. */
const char *tls_stream_reason(const struct tls_stream *stream);

/* After TLS_FAILED: whether it is a list of revoked certificates that speaks against the client's. */
enum tls_blame tls_stream_blame(const struct tls_stream *stream);

/* Then: the subject of that certificate, on one line; NULL: memory was out. Lives as long as the stream. */
const char *tls_stream_blamed(const struct tls_stream *stream);

/*
 * After TLS_DONE, while the server lives: what OCSP responders are to be asked about the client.
 * Returns how many queries, whose certificates live as long as the stream; -1 when OpenSSL fails.
 */
int tls_stream_queries(const struct tls_stream *stream, struct query out[QUERIES_MOST]);

/* What was agreed; texts live as long as the stream. */
struct tls_facts {
    const char *version;           /* "TLSv1.3" */
    const char *cipher;            /* as OpenSSL names it */
    const char *name;              /* that the client asked for; "" = none */
    const unsigned char *protocol; /* of ALPN, not ended by a NUL */
    size_t protocol_length;        /* 0 = none was agreed */
    bool is_resumed;
    bool has_certificate; /* the client has shown one, and it was good */
};
void tls_stream_tell(const struct tls_stream *stream, struct tls_facts *out);

/* The client's certificate: its subject on one line (RFC 2253), its common name alone; cut where they do not fit, "" without. */
#define TLS_SUBJECT_BYTES 512
void tls_stream_tell_client(const struct tls_stream *stream, char subject[TLS_SUBJECT_BYTES],
                            char common_name[TLS_SUBJECT_BYTES]);

#endif

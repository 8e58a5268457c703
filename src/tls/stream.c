/* SPDX-License-Identifier: MIT */
/* One end of a connection that speaks TLS: a handshake over bytes in memory, then a transport over the socket. */
#include "tls/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/text.h"
#include "net/plain.h"

/* Records in a row that carry no bytes of the stream; RFC 8446 knows no need for more than a few. */
enum { EMPTY_RECORDS_MOST = 64 };

struct tls_stream {
    SSL *ssl;
    const struct tls_trust *trust;   /* of a client's side, until the handshake is over */
    const struct tls_server *server; /* of a server's side, likewise */
    SSL_SESSION *session;            /* that the server gave; owned, or NULL */
    int fd;
    bool
        may_compute; /* the private key may be used now; else the handshake stops before that */
    bool is_settled; /* OpenSSL reads and writes fd; else what was fed and out */
    bool is_dry;     /* fd had nothing the last time that it was asked */
    bool is_short;   /* fd gave less than asked for: the next question would be in vain */
    bool saw_end;    /* a FIN came */
    bool has_end;    /* close_notify did not go yet */
    bool waits_for_write; /* reading cannot go on before something was written */
    uint8_t n_empty;      /* records without bytes since the last with some */
    int error;            /* errno of the socket */
    struct text fed;      /* read by OpenSSL up to fed_at */
    size_t fed_at;
    struct text out; /* sent up to out_at */
    size_t out_at;
    char *reason; /* of a failed handshake */
    enum tls_blame blame;
};

/* ---- between OpenSSL and the bytes ---- */

static int read_fed(struct tls_stream *stream, char *bytes, int room)
{
    size_t left = stream->fed.length - stream->fed_at;
    size_t length = left < (size_t)room ? left : (size_t)room;
    memcpy(bytes, stream->fed.at + stream->fed_at, length);
    stream->fed_at += length;
    if (stream->fed_at == stream->fed.length) {
        text_fini(&stream->fed);
        stream->fed_at = 0;
    }
    return (int)length;
}

static int read_socket(struct tls_stream *stream, char *bytes, int room)
{
    size_t length = 0;
    /* Asked once more after a short answer it would only say that there is nothing. */
    enum io io = stream->is_short
                     ? IO_AGAIN
                     : plain_transport.read(stream->fd, NULL, bytes, (size_t)room, &length);
    stream->is_short = false;
    switch (io) {
    case IO_OK:
        stream->is_short = length < (size_t)room;
        return (int)length;
    case IO_AGAIN:
        stream->is_dry = true;
        return -1;
    case IO_EOF:
        stream->saw_end = true;
        return 0;
    case IO_ERROR:
        break;
    }
    stream->error = errno;
    return -1;
}

static int on_read(BIO *bio, char *bytes, int room)
{
    struct tls_stream *stream = BIO_get_data(bio);
    int length = -1;
    BIO_clear_retry_flags(bio);
    if (stream->fed_at < stream->fed.length)
        return read_fed(stream, bytes, room);
    if (stream->is_settled)
        length = read_socket(stream, bytes, room);
    if (length < 0 && stream->error == 0)
        BIO_set_retry_read(bio);
    return length;
}

/* Bytes behind a ticket that did not go yet: both in one piece. *written counts the bytes alone. */
static enum io write_behind(struct tls_stream *stream, const char *bytes, size_t length,
                            size_t *written)
{
    size_t owed = stream->out.length - stream->out_at, sent = 0;
    if (length > 0)
        text_append(&stream->out, bytes, length);
    if (stream->out.failed) {
        errno = ENOMEM;
        return IO_ERROR;
    }
    enum io io = plain_transport.write(stream->fd, NULL, stream->out.at + stream->out_at,
                                       owed + length, &sent);
    if (io == IO_OK && sent >= owed) {
        text_fini(&stream->out);
        stream->out_at = 0;
        *written = sent - owed;
        return sent > owed ? IO_OK : IO_AGAIN;
    }
    stream->out_at += io == IO_OK ? sent : 0;
    stream->out.length -= length;
    return io == IO_OK ? IO_AGAIN : io;
}

static bool owes_ticket(const struct tls_stream *stream)
{
    return stream->out.length > 0;
}

static int on_write(BIO *bio, const char *bytes, int length)
{
    struct tls_stream *stream = BIO_get_data(bio);
    size_t written = 0;
    BIO_clear_retry_flags(bio);
    if (!stream->is_settled) {
        text_append(&stream->out, bytes, (size_t)length);
        return stream->out.failed ? -1 : length;
    }
    enum io io = owes_ticket(stream)
                     ? write_behind(stream, bytes, (size_t)length, &written)
                     : plain_transport.write(stream->fd, NULL, bytes, (size_t)length, &written);
    switch (io) {
    case IO_OK:
        return (int)written;
    case IO_AGAIN:
        BIO_set_retry_write(bio);
        return -1;
    case IO_EOF:
    case IO_ERROR:
        break;
    }
    stream->error = errno;
    return -1;
}

static long on_control(BIO *bio, int what, long number, void *pointer)
{
    const struct tls_stream *stream = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    if (what == BIO_CTRL_EOF)
        return stream->saw_end;
    return what == BIO_CTRL_FLUSH;
}

/* One for the whole process, made by whoever comes first. */
static const BIO_METHOD *method(void)
{
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *made = atomic_load(&shared), *none = NULL;
    if (made != NULL)
        return made;
    made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gaidaros");
    if (made == NULL || BIO_meth_set_read(made, on_read) != 1 ||
        BIO_meth_set_write(made, on_write) != 1 || BIO_meth_set_ctrl(made, on_control) != 1) {
        BIO_meth_free(made);
        return NULL;
    }
    if (atomic_compare_exchange_strong(&shared, &none, made))
        return made;
    BIO_meth_free(made);
    return none;
}

/* ---- making ---- */

/* ssl is taken over, also when this fails. */
static struct tls_stream *make(SSL *ssl)
{
    struct tls_stream *stream = calloc(1, sizeof *stream);
    const BIO_METHOD *bytes = method();
    BIO *bio = bytes != NULL ? BIO_new(bytes) : NULL;
    if (stream == NULL || ssl == NULL || bio == NULL || SSL_set_app_data(ssl, stream) != 1) {
        BIO_free(bio);
        SSL_free(ssl);
        free(stream);
        ERR_clear_error();
        return NULL;
    }
    stream->ssl = ssl;
    stream->fd = -1;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return stream;
}

/*
 * OpenSSL asks which certificate is to be shown once it has read what the client wants and found no session to
 * resume: the place where the cheap part of a handshake ends.
 */
static int on_certificate(SSL *ssl, void *argument)
{
    const struct tls_stream *stream = argument;
    if (!stream->may_compute)
        return -1; /* asks again when it goes on */
    return tls_server_pick(stream->server, ssl) ? 1 : 0;
}

struct tls_stream *tls_stream_accept(const struct tls_server *server)
{
    struct tls_stream *stream = make(SSL_new(tls_server_context(server)));
    if (stream == NULL)
        return NULL;
    stream->server = server;
    SSL_set_accept_state(stream->ssl);
    SSL_set_cert_cb(stream->ssl, on_certificate, stream);
    return stream;
}

/* ---- sessions of a client's side ---- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_stream *stream = SSL_get_app_data(ssl);
    SSL_SESSION_free(stream->session);
    stream->session = session;
    return 1; /* it is ours */
}

bool tls_stream_prepare(const struct tls_trust *trust, const struct tls_pair *pair,
                        char reason[TLS_REASON_BYTES])
{
    SSL_CTX *context = tls_trust_context(trust);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return pair == NULL || tls_trust_show(trust, pair, reason);
}

struct tls_stream *tls_stream_connect(const struct tls_trust *trust, const char *name,
                                      SSL_SESSION *session)
{
    struct tls_stream *stream = make(tls_trust_open(trust, name));
    if (stream == NULL)
        return NULL;
    stream->trust = trust;
    if (session != NULL && SSL_SESSION_is_resumable(session) == 1)
        (void)SSL_set_session(stream->ssl, session);
    return stream;
}

SSL_SESSION *tls_stream_take_session(struct tls_stream *stream)
{
    SSL_SESSION *session = stream->session;
    stream->session = NULL;
    return session;
}

void tls_session_free(SSL_SESSION *session)
{
    SSL_SESSION_free(session);
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    /* Else OpenSSL takes an end without close_notify for a reason never to resume the session. */
    SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stream->ssl);
    SSL_SESSION_free(stream->session);
    text_fini(&stream->fed);
    text_fini(&stream->out);
    free(stream->reason);
    free(stream);
}

/* ---- the handshake ---- */

bool tls_stream_feed(struct tls_stream *stream, const void *bytes, size_t length)
{
    text_append(&stream->fed, bytes, length);
    return !stream->fed.failed;
}

/* The certificate is to blame, or the protocol. */
static void note_reason(struct tls_stream *stream)
{
    char reason[TLS_REASON_BYTES];
    if (stream->trust != NULL) {
        (void)tls_trust_explain(stream->trust, stream->ssl, 0, reason);
        stream->reason = strdup(reason);
        return;
    }
    unsigned long error = ERR_peek_error();
    long verdict = SSL_get_verify_result(stream->ssl);
    const char *words = ERR_reason_error_string(error);
    bool is_certificate = verdict != X509_V_OK && ERR_GET_LIB(error) == ERR_LIB_SSL &&
                          ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    stream->blame = is_certificate ? revocation_blame(verdict) : TLS_BLAME_OTHER;
    int length =
        is_certificate
            ? asprintf(&stream->reason, "certificate: %s%s",
                       stream->blame == TLS_BLAME_STALE ? "no fresh revocation list: " : "",
                       X509_verify_cert_error_string(verdict))
            : asprintf(&stream->reason, "%s", words != NULL ? words : "failed");
    if (length < 0)
        stream->reason = NULL;
}

enum tls_step tls_stream_shake(struct tls_stream *stream, bool may_compute)
{
    stream->may_compute = may_compute;
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1)
        return TLS_DONE;
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_X509_LOOKUP:
        return TLS_COMPUTES;
    default:
        break;
    }
    note_reason(stream);
    ERR_clear_error();
    return TLS_FAILED;
}

bool tls_stream_is_light(const struct tls_stream *stream)
{
    unsigned char unused;
    bool is_first = SSL_get_state(stream->ssl) == TLS_ST_BEFORE;
    bool has_finished = SSL_get_finished(stream->ssl, &unused, 0) > 0;
    if (is_first || !SSL_is_server(stream->ssl))
        return is_first;
    return has_finished && (SSL_session_reused(stream->ssl) == 1 ||
                            (SSL_version(stream->ssl) == TLS1_3_VERSION &&
                             SSL_get_verify_mode(stream->ssl) == SSL_VERIFY_NONE));
}

bool tls_stream_is_quick(const struct tls_stream *stream)
{
    /* Clients show their certificates after our own. */
    bool verifies = stream->may_compute && SSL_get_verify_mode(stream->ssl) != SSL_VERIFY_NONE;
    return stream->server != NULL && !verifies && tls_server_is_quick(stream->server);
}

const unsigned char *tls_stream_answer(const struct tls_stream *stream, size_t *length)
{
    *length = stream->out.length - stream->out_at;
    return (const unsigned char *)stream->out.at + stream->out_at;
}

void tls_stream_sent(struct tls_stream *stream, size_t length)
{
    stream->out_at += length;
    if (stream->out_at < stream->out.length)
        return;
    text_fini(&stream->out);
    stream->out_at = 0;
}

bool tls_stream_may_hold(const struct tls_stream *stream)
{
    return SSL_is_server(stream->ssl) && SSL_version(stream->ssl) == TLS1_3_VERSION;
}

void tls_stream_settle(struct tls_stream *stream)
{
    stream->is_settled = true;
    stream->trust = NULL;
    stream->server = NULL;
}

const char *tls_stream_reason(const struct tls_stream *stream)
{
    return stream->reason != NULL ? stream->reason : "out of memory";
}

enum tls_blame tls_stream_blame(const struct tls_stream *stream)
{
    return stream->blame;
}

const char *tls_stream_blamed(const struct tls_stream *stream)
{
    return revocation_subject(stream->ssl);
}

int tls_stream_queries(const struct tls_stream *stream, struct query out[QUERIES_MOST])
{
    return revocation_queries(stream->ssl, out);
}

void tls_stream_tell(const struct tls_stream *stream, struct tls_facts *out)
{
    const SSL *ssl = stream->ssl;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    unsigned length = 0;
    *out = (struct tls_facts){.version = SSL_get_version(ssl),
                              .cipher = SSL_get_cipher_name(ssl),
                              .name = name != NULL ? name : "",
                              .is_resumed = SSL_session_reused(ssl) == 1};
    SSL_get0_alpn_selected(ssl, &out->protocol, &length);
    out->protocol_length = length;
    out->has_certificate =
        SSL_get0_peer_certificate(ssl) != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
}

void tls_stream_tell_client(const struct tls_stream *stream, char subject[TLS_SUBJECT_BYTES],
                            char common_name[TLS_SUBJECT_BYTES])
{
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    subject[0] = common_name[0] = '\0';
    if (certificate == NULL)
        return;
    X509_NAME *name = X509_get_subject_name(certificate);
    BIO *printed = BIO_new(BIO_s_mem());
    if (printed != NULL && X509_NAME_print_ex(printed, name, 0, XN_FLAG_RFC2253) >= 0) {
        int length = BIO_read(printed, subject, TLS_SUBJECT_BYTES - 1);
        subject[length > 0 ? length : 0] = '\0';
    }
    BIO_free(printed);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0)
        return;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    snprintf(common_name, TLS_SUBJECT_BYTES, "%.*s", ASN1_STRING_length(text),
             (const char *)ASN1_STRING_get0_data(text));
}

/* ---- the transport ---- */

/* Why a call of OpenSSL has not done what was asked. */
static enum io verdict_of(struct tls_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        stream->waits_for_write = true;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        break;
    }
    /* An end without close_notify may be anybody's: nobody is to take it for the whole (RFC 8446, 6.1). */
    errno = stream->saw_end ? ECONNRESET : stream->error != 0 ? stream->error : EPROTO;
    ERR_clear_error();
    return IO_ERROR;
}

static enum io stream_read(int fd, void *state, void *bytes, size_t capacity, size_t *length)
{
    struct tls_stream *stream = state;
    stream->fd = fd;
    stream->is_dry = stream->waits_for_write = false;
    ERR_clear_error();
    int result = SSL_read_ex(stream->ssl, bytes, capacity, length);
    if (result == 1) {
        stream->n_empty = 0;
        return IO_OK;
    }
    enum io io = verdict_of(stream, result);
    if (io == IO_AGAIN && owes_ticket(stream))
        (void)write_behind(stream, NULL, 0, &(size_t){0});
    if (io != IO_AGAIN || stream->is_dry || stream->waits_for_write)
        return io;
    if (stream->n_empty++ < EMPTY_RECORDS_MOST)
        return IO_AGAIN;
    errno = EPROTO;
    return IO_ERROR;
}

static enum io stream_write(int fd, void *state, const void *bytes, size_t length,
                            size_t *written)
{
    struct tls_stream *stream = state;
    stream->fd = fd;
    ERR_clear_error();
    int result = SSL_write_ex(stream->ssl, bytes, length, written);
    enum io io = result == 1 ? IO_OK : verdict_of(stream, result);
    if (io == IO_OK)
        stream->n_empty = 0;         /* who takes bytes for days may change keys now and then */
    stream->waits_for_write = false; /* whoever writes waits for that anyway */
    return io;
}

static enum io stream_shut(int fd, void *state)
{
    struct tls_stream *stream = state;
    stream->fd = fd;
    ERR_clear_error();
    int result = SSL_shutdown(stream->ssl);
    enum io io = result >= 0 ? IO_OK : verdict_of(stream, result);
    stream->has_end = io == IO_AGAIN;
    stream->waits_for_write = false;
    return stream->has_end ? IO_AGAIN : plain_transport.shut(fd, NULL);
}

static unsigned stream_needs(const void *state)
{
    const struct tls_stream *stream = state;
    bool has_bytes = stream->fed_at < stream->fed.length ||
                     (!stream->is_dry && SSL_has_pending(stream->ssl) == 1);
    return (has_bytes ? TRANSPORT_HAS_BYTES : 0) |
           (stream->waits_for_write ? TRANSPORT_READS_WHEN_WRITABLE : 0) |
           (stream->has_end ? TRANSPORT_HAS_END : 0);
}

static void stream_fini(void *state)
{
    tls_stream_free(state);
}

const struct transport tls_transport = {
    .read = stream_read,
    .write = stream_write,
    .shut = stream_shut,
    .needs = stream_needs,
    .fini = stream_fini,
};

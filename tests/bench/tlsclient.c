/* SPDX-License-Identifier: MIT */
/* One TLS 1.3 connection of a load client, non-blocking. */
#include "tlsclient.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* OpenSSL hands over a reference with the session: 1 says that it is kept. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct tls_client *client = SSL_get_app_data(ssl);
    SSL_SESSION_free(client->ticket);
    client->ticket = session;
    client->n_tickets++;
    return 1;
}

SSL_CTX *tls_client_context(const char *cipher)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set1_groups_list(context, "X25519") ||
        !SSL_CTX_set_ciphersuites(context, cipher)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static int open_socket(const struct tls_target *target)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&target->address, target->length) < 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int tls_client_open(struct tls_client *client, SSL_CTX *context,
                    const struct tls_target *target, SSL_SESSION *session)
{
    client->fd = open_socket(target);
    if (client->fd < 0) {
        return -1;
    }
    client->ssl = SSL_new(context);
    if (!client->ssl || !SSL_set_fd(client->ssl, client->fd) ||
        !SSL_set_app_data(client->ssl, client) ||
        (target->name && !SSL_set_tlsext_host_name(client->ssl, target->name)) ||
        (session && !SSL_set_session(client->ssl, session))) {
        tls_client_close(client);
        errno = ENOMEM;
        return -1;
    }
    SSL_set_connect_state(client->ssl);
    client->wants = EPOLLOUT;
    return 0;
}

size_t tls_client_hello(SSL_CTX *context, const struct tls_target *target,
                        uint8_t hello[TLS_HELLO_MOST])
{
    SSL *ssl = SSL_new(context);
    BIO *said = BIO_new(BIO_s_mem()), *heard = BIO_new(BIO_s_mem());
    int n = 0;
    if (ssl && said && heard &&
        (!target->name || SSL_set_tlsext_host_name(ssl, target->name))) {
        SSL_set_bio(ssl, heard, said);
        said = heard = NULL;
        SSL_set_connect_state(ssl);
        SSL_do_handshake(ssl);
        n = BIO_read(SSL_get_wbio(ssl), hello, TLS_HELLO_MOST);
    }
    BIO_free(said);
    BIO_free(heard);
    SSL_free(ssl);
    ERR_clear_error();
    return n > 0 && n < TLS_HELLO_MOST ? (size_t)n : 0;
}

int tls_client_open_bare(struct tls_client *client, const struct tls_target *target)
{
    client->fd = open_socket(target);
    client->wants = EPOLLOUT;
    return client->fd < 0 ? -1 : 0;
}

enum tls_io tls_client_say(struct tls_client *client, const uint8_t *hello, size_t n)
{
    ssize_t sent = send(client->fd, hello, n, MSG_NOSIGNAL);
    if (sent == (ssize_t)n) {
        client->wants = EPOLLIN;
        return TLS_DONE;
    }
    return sent < 0 && errno == EAGAIN ? TLS_AGAIN : TLS_LOST;
}

enum tls_io tls_client_hear(struct tls_client *client)
{
    uint8_t answer[4096];
    ssize_t n = recv(client->fd, answer, sizeof answer, 0);
    if (n > 0) {
        return TLS_DONE;
    }
    if (n == 0) {
        return TLS_EOF;
    }
    return errno == EAGAIN ? TLS_AGAIN : TLS_LOST;
}

/* result is that of the call just made; both queues of errors were empty before it. */
static enum tls_io judge(struct tls_client *client, int result)
{
    switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        client->wants = EPOLLIN;
        return TLS_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        client->wants = EPOLLOUT;
        return TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_EOF;
    default:
        return TLS_LOST;
    }
}

static void forget_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

enum tls_io tls_client_handshake(struct tls_client *client)
{
    forget_errors();
    return judge(client, SSL_do_handshake(client->ssl));
}

enum tls_io tls_client_send(struct tls_client *client, const uint8_t *data, size_t n,
                            size_t *sent)
{
    while (*sent < n) {
        size_t written = 0;
        forget_errors();
        enum tls_io io =
            judge(client, SSL_write_ex(client->ssl, data + *sent, n - *sent, &written));
        if (io != TLS_DONE) {
            return io;
        }
        *sent += written;
    }
    return TLS_DONE;
}

enum tls_io tls_client_receive(struct tls_client *client, uint8_t *data, size_t n, size_t *got)
{
    forget_errors();
    return judge(client, SSL_read_ex(client->ssl, data, n, got));
}

enum tls_io tls_client_finish(struct tls_client *client)
{
    forget_errors();
    int result = SSL_shutdown(client->ssl);
    /* 0: ours is out, theirs has not come yet. */
    enum tls_io io = result >= 0 ? TLS_DONE : judge(client, result);
    if (io == TLS_DONE && shutdown(client->fd, SHUT_WR) < 0) {
        return TLS_LOST;
    }
    return io;
}

void tls_client_close(struct tls_client *client)
{
    SSL_free(client->ssl);
    client->ssl = NULL;
    close(client->fd);
    client->fd = -1;
}

void tls_client_explain(char *text, size_t size)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    snprintf(text, size, "%s",
             reason  ? reason
             : errno ? strerror(errno)
                     : "the other side ended without close_notify");
}

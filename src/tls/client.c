/* SPDX-License-Identifier: MIT */
/* A TLS handshake with a host over a connected socket: whether it succeeds, and if not, why in words. */
#include "tls/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tls/pair.h"
#include "tls/pem.h"

struct tls_trust {
    SSL_CTX *context; /* owned */
    bool is_strict;   /* certificates are named: who answers must show one of theirs */
};

struct tls_client {
    SSL *ssl; /* owned */
    const struct tls_trust *trust;
    char reason[TLS_REASON_BYTES];
};

/* ---- whom to trust ---- */

static bool load(SSL_CTX *context, const unsigned char *bytes, size_t length)
{
    STACK_OF(X509) *all = pem_certificates(bytes, length);
    bool is_loaded = all != NULL;
    for (int i = 0; is_loaded && i < sk_X509_num(all); i++)
        is_loaded =
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), sk_X509_value(all, i)) == 1;
    sk_X509_pop_free(all, X509_free);
    return is_loaded;
}

struct tls_trust *tls_trust_new(const unsigned char *bytes, size_t length,
                                char reason[TLS_REASON_BYTES])
{
    struct tls_trust *trust = calloc(1, sizeof *trust);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    snprintf(reason, TLS_REASON_BYTES, "out of memory");
    if (trust == NULL || context == NULL)
        goto fail;
    trust->context = context;
    trust->is_strict = length > 0;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* A session would be of no use: each check is to go the whole way. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, trust->is_strict ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (trust->is_strict && !load(context, bytes, length)) {
        snprintf(reason, TLS_REASON_BYTES, "holds no certificates in PEM, or a broken one");
        goto fail;
    }
    return trust;
fail:
    ERR_clear_error();
    SSL_CTX_free(context);
    free(trust);
    return NULL;
}

bool tls_trust_show(const struct tls_trust *trust, const struct tls_pair *pair,
                    char reason[TLS_REASON_BYTES])
{
    struct tls_shown shown;
    if (!tls_pair_load(pair, &shown, reason))
        return false;
    bool is_used = SSL_CTX_use_cert_and_key(trust->context, shown.certificate, shown.key,
                                            shown.chain, 1) == 1;
    tls_shown_fini(&shown);
    if (!is_used)
        snprintf(reason, TLS_REASON_BYTES, "OpenSSL refuses it");
    ERR_clear_error();
    return is_used;
}

void tls_trust_free(struct tls_trust *trust)
{
    if (trust == NULL)
        return;
    SSL_CTX_free(trust->context);
    free(trust);
}

SSL_CTX *tls_trust_context(const struct tls_trust *trust)
{
    return trust->context;
}

/* ---- a handshake ---- */

/* An IP address is compared with the certificate's addresses and is no SNI (RFC 6066, 3). */
static bool set_name(SSL *ssl, const char *name, bool is_strict)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (name[0] == '\0')
        return true;
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, name) == 1)
        return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_strict && X509_VERIFY_PARAM_set1_host(wanted, name, 0) != 1)
        return false;
    return SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_trust_open(const struct tls_trust *trust, const char *name)
{
    SSL *ssl = SSL_new(trust->context);
    if (ssl != NULL && set_name(ssl, name, trust->is_strict)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

static bool prepare(struct tls_client *client, const struct tls_trust *trust, int fd,
                    const char *name)
{
    client->ssl = tls_trust_open(trust, name);
    if (client->ssl == NULL)
        return false;
    BIO *socket = BIO_new_socket(fd, BIO_NOCLOSE);
    if (socket == NULL)
        return false;
    SSL_set_bio(client->ssl, socket, socket);
    return true;
}

struct tls_client *tls_client_new(const struct tls_trust *trust, int fd, const char *name)
{
    struct tls_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->trust = trust;
    if (!prepare(client, trust, fd, name)) {
        ERR_clear_error();
        tls_client_free(client);
        return NULL;
    }
    return client;
}

/* What the certificate is to blame for; NULL when it is not to blame. */
static const char *blame_certificate(const struct tls_trust *trust, const SSL *ssl)
{
    long result = SSL_get_verify_result(ssl);
    if (!trust->is_strict || result == X509_V_OK)
        return NULL;
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "certificate is for another name";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "certificate is not yet valid";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "certificate is not by one that tls_ca trusts";
    default:
        return X509_verify_cert_error_string(result);
    }
}

/* What the protocol is to blame for. error: the first one queued; 0 = the socket's. */
static const char *blame_protocol(unsigned long error, int socket_error)
{
    if (error == 0)
        return socket_error != 0 ? strerror(socket_error) : "closed by the host";
    if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
        switch (ERR_GET_REASON(error)) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
            return "the answer is no TLS";
        case SSL_R_UNEXPECTED_EOF_WHILE_READING:
            return "closed by the host";
        default:
            break;
        }
    }
    const char *words = ERR_reason_error_string(error);
    return words != NULL ? words : "failed";
}

bool tls_trust_explain(const struct tls_trust *trust, const SSL *ssl, int socket_error,
                       char reason[TLS_REASON_BYTES])
{
    const char *certificate = blame_certificate(trust, ssl);
    snprintf(reason, TLS_REASON_BYTES, "%s",
             certificate != NULL ? certificate
                                 : blame_protocol(ERR_peek_error(), socket_error));
    ERR_clear_error();
    return certificate != NULL;
}

static enum tls_step fail(struct tls_client *client, int socket_error)
{
    char reason[TLS_REASON_BYTES];
    bool is_certificate = tls_trust_explain(client->trust, client->ssl, socket_error, reason);
    snprintf(client->reason, sizeof client->reason, "%s%.*s",
             is_certificate ? "" : "TLS: ", TLS_REASON_BYTES - 6, reason);
    return TLS_FAILED;
}

enum tls_step tls_client_shake(struct tls_client *client)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(client->ssl);
    int socket_error = errno;
    if (result == 1)
        return TLS_DONE;
    switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    default:
        return fail(client, socket_error);
    }
}

/* After a call that has not done what was asked. */
static ssize_t note_error(const struct tls_client *client, int socket_error)
{
    int error = SSL_get_error(client->ssl, 0);
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    bool is_waiting = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    bool is_of_socket = socket_error != 0 && socket_error != EAGAIN;
    errno = is_waiting ? EAGAIN : is_of_socket ? socket_error : EPROTO;
    return -1;
}

ssize_t tls_client_read(struct tls_client *client, void *bytes, size_t room)
{
    size_t length = 0;
    ERR_clear_error();
    errno = 0;
    if (SSL_read_ex(client->ssl, bytes, room, &length) == 1)
        return (ssize_t)length;
    return note_error(client, errno);
}

ssize_t tls_client_write(struct tls_client *client, const void *bytes, size_t length)
{
    size_t written = 0;
    ERR_clear_error();
    errno = 0;
    if (SSL_write_ex(client->ssl, bytes, length, &written) == 1)
        return (ssize_t)written;
    return note_error(client, errno);
}

void tls_client_close(struct tls_client *client)
{
    (void)SSL_shutdown(client->ssl);
    ERR_clear_error();
}

const char *tls_client_reason(const struct tls_client *client)
{
    return client->reason;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_free(client->ssl);
    free(client);
}

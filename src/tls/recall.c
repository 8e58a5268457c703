/* SPDX-License-Identifier: MIT */
/* Sessions by id, for clients of TLS 1.2 that take no tickets: every worker knows them. */
#include "tls/recall.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "tls/derive.h"
#include "tls/revocation.h"

/* What is remembered: the name of the ticket key, a nonce, the session in DER under the key, a tag over it and the id. */
enum { NAME_BYTES = 16, NONCE_BYTES = 12, TAG_BYTES = 16 };
enum {
    HEAD_BYTES = NAME_BYTES + NONCE_BYTES,
    DER_MOST = REMEMBERED_BYTES - HEAD_BYTES - TAG_BYTES
};

/* Where a context has its recall; made by whoever comes first, -1 when it cannot be had. */
static _Atomic int context_place = -1;

static int place_of_recall(void)
{
    int place = atomic_load(&context_place), none = -1;
    if (place >= 0)
        return place;
    place = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return atomic_compare_exchange_strong(&context_place, &none, place) ? place : none;
}

static const struct recall *recall_of(SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), atomic_load(&context_place));
}

/* ---- the seal ---- */

/* Both ways alike, but for the tag. Returns false when it cannot be, or was sealed otherwise. */
static bool crypt_with(const struct ticket_key *ticket, const unsigned char *nonce,
                       const unsigned char *id, const unsigned char *in, int length,
                       unsigned char *out, unsigned char *tag, bool is_sealing)
{
    unsigned char key[DERIVE_BYTES];
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;
    bool is_done =
        cipher != NULL && derive_session_key(ticket, key) == 0 &&
        EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce, is_sealing) == 1 &&
        (is_sealing ||
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1) &&
        EVP_CipherUpdate(cipher, NULL, &n, id, REMEMBERED_ID_BYTES) == 1 &&
        EVP_CipherUpdate(cipher, out, &n, in, length) == 1 &&
        EVP_CipherFinal_ex(cipher, out + n, &rest) == 1 &&
        (!is_sealing ||
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(cipher);
    explicit_bzero(key, sizeof key);
    return is_done;
}

/* Returns the bytes of the whole, 0 when it cannot be sealed. */
static size_t seal(const struct tickets *tickets, const unsigned char *id,
                   const unsigned char *der, int length, unsigned char out[REMEMBERED_BYTES])
{
    struct ticket_key key;
    bool is_sealed = false;
    if (!tickets_seal(tickets, &key))
        return 0;
    memcpy(out, key.name, NAME_BYTES);
    if (RAND_bytes(out + NAME_BYTES, NONCE_BYTES) == 1)
        is_sealed = crypt_with(&key, out + NAME_BYTES, id, der, length, out + HEAD_BYTES,
                               out + HEAD_BYTES + length, true);
    explicit_bzero(&key, sizeof key);
    return is_sealed ? (size_t)(HEAD_BYTES + length + TAG_BYTES) : 0;
}

/* Returns the bytes of the session in DER, 0 when it is none that was sealed for this id, or its key is gone. */
static int unseal(const struct tickets *tickets, const unsigned char *id, unsigned char *sealed,
                  size_t bytes, unsigned char der[DER_MOST])
{
    struct ticket_key key;
    bool unused, is_open;
    if (bytes <= HEAD_BYTES + TAG_BYTES || !tickets_open(tickets, sealed, &key, &unused))
        return 0;
    int length = (int)(bytes - HEAD_BYTES - TAG_BYTES);
    is_open = crypt_with(&key, sealed + NAME_BYTES, id, sealed + HEAD_BYTES, length, der,
                         sealed + HEAD_BYTES + length, false);
    explicit_bzero(&key, sizeof key);
    return is_open ? length : 0;
}

/* ---- sessions ---- */

/* OpenSSL tells of each session that has an id, of TLS 1.3 also where it is a ticket. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct recall *recall = recall_of(ssl);
    unsigned char der[DER_MOST], sealed[REMEMBERED_BYTES], *at = der;
    unsigned id_bytes = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &id_bytes);
    if (SSL_version(ssl) >= TLS1_3_VERSION || id_bytes != REMEMBERED_ID_BYTES)
        return 0;
    int length = i2d_SSL_SESSION(session, NULL);
    if (length <= 0 || length > DER_MOST || i2d_SSL_SESSION(session, &at) != length)
        return 0;
    size_t bytes = seal(recall->tickets, id, der, length, sealed);
    if (bytes > 0)
        remembered_put(recall->table, id, sealed, bytes, clock_now_ns());
    explicit_bzero(der, sizeof der);
    return 0; /* we keep no reference */
}

static SSL_SESSION *on_id(SSL *ssl, const unsigned char *id, int id_bytes, int *is_ours)
{
    const struct recall *recall = recall_of(ssl);
    unsigned char der[DER_MOST], sealed[REMEMBERED_BYTES];
    const unsigned char *at = der;
    *is_ours = 0; /* OpenSSL frees it */
    if (id_bytes != REMEMBERED_ID_BYTES)
        return NULL;
    size_t bytes = remembered_get(recall->table, id, sealed);
    int length = unseal(recall->tickets, id, sealed, bytes, der);
    SSL_SESSION *session = length > 0 ? d2i_SSL_SESSION(NULL, &at, length) : NULL;
    explicit_bzero(der, sizeof der);
    if (session != NULL && !revocation_lets_resume(SSL_get_SSL_CTX(ssl), session)) {
        SSL_SESSION_free(session);
        session = NULL;
    }
    ERR_clear_error();
    return session;
}

int recall_install(SSL_CTX *context, const struct recall *recall)
{
    int place = place_of_recall();
    /* OpenSSL gives the pointer back, nothing else. */
    if (place < 0 || SSL_CTX_set_ex_data(context, place, (void *)(uintptr_t)recall) != 1)
        return -1;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                                SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_sess_set_get_cb(context, on_id);
    return 0;
}

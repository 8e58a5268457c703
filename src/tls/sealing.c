/* SPDX-License-Identifier: MIT */
/* Seals and opens session tickets with the keys that all workers share. */
#include "tls/sealing.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

static int set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM wanted[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, wanted);
}

static int seal(struct ticket_key *key, unsigned char *name, unsigned char *vector,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, sizeof key->name);
    return RAND_bytes(vector, EVP_MAX_IV_LENGTH) == 1 &&
                   EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, vector, NULL) ==
                       1 &&
                   set_mac(mac, key) == 1
               ? 1
               : -1;
}

/* 1 = good, 2 = good, but the client is to get a new one. */
static int unseal(struct ticket_key *key, bool is_lasting, const unsigned char *vector,
                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, vector, NULL) != 1 ||
        set_mac(mac, key) != 1)
        return -1;
    return is_lasting ? 1 : 2;
}

/* 0 = no such key: a full handshake. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *vector,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
    const struct tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool is_newest = false;
    int result = 0;

    if (is_sealing) {
        if (tickets_seal(tickets, &key))
            result = seal(&key, name, vector, cipher, mac);
    } else if (tickets_open(tickets, name, &key, &is_newest)) {
        /* Clients of TLS 1.3 use each ticket but once (RFC 8446, C.4). */
        result =
            unseal(&key, is_newest && SSL_version(ssl) < TLS1_3_VERSION, vector, cipher, mac);
    }
    explicit_bzero(&key, sizeof key);
    return result;
}

int sealing_install(SSL_CTX *context, const struct tickets *tickets)
{
    /* OpenSSL keeps the pointer, and gives it back, nothing else. */
    return SSL_CTX_set_app_data(context, (void *)(uintptr_t)tickets) == 1 &&
                   SSL_CTX_set_num_tickets(context, 1) == 1 &&
                   SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1
               ? 0
               : -1;
}

/* SPDX-License-Identifier: MIT */
/* What a service shows and asks of TLS clients: certificates by name, versions, ciphers, tickets. */
#include "tls/serverside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "tls/pem.h"
#include "tls/recall.h"
#include "tls/sealing.h"
#include "tls/shown.h"

/* Source: Mozilla's server side guidelines 5.7, intermediate, without finite-field groups as 6.0 has it. */
static const char default_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char default_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";

/* Of a client's certificates with their chain. */
enum { CHAIN_MOST_BYTES = 65536 };

struct tls_server {
    SSL_CTX *context;
    struct shown *shown;
    unsigned char *protocols;
    unsigned protocols_length;
    struct revocation *revocation; /* NULL: nobody asks lists */
    struct stapling *stapling;     /* NULL: nothing is sent with certificates */
    struct recall recall;
};

/* ---- certificates ---- */

/* Says that the name was understood, so that OpenSSL keeps it with the session. */
static int on_name(SSL *ssl, int *alert, void *argument)
{
    (void)ssl;
    (void)alert;
    (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

static bool take_certificates(struct tls_server *server, const struct tls_server_plan *plan,
                              struct tls_server_fault *fault)
{
    server->shown = shown_new();
    if (server->shown == NULL)
        return false;
    for (size_t i = 0; i < plan->n_pairs; i++) {
        if (shown_add(server->shown, &plan->pairs[i], fault->reason))
            continue;
        fault->part = TLS_PART_CERTIFICATE;
        fault->nth = i;
        return false;
    }
    if (!shown_settle(server->shown))
        return false;
    if (!shown_begin(server->shown, server->context, fault->reason)) {
        fault->part = TLS_PART_CERTIFICATE;
        return false;
    }
    SSL_CTX_set_tlsext_servername_callback(server->context, on_name);
    return true;
}

/* ---- ciphers ---- */

/* TLS 1.3 has a list of its own. suites, ciphers: room for the whole text each. */
static void sort_ciphers(const char *text, char *suites, char *ciphers)
{
    suites[0] = ciphers[0] = '\0';
    while (*text != '\0') {
        int length = (int)strcspn(text, ":");
        char *list = strncmp(text, "TLS_", 4) == 0 ? suites : ciphers;
        if (length > 0)
            sprintf(list + strlen(list), "%s%.*s", list[0] != '\0' ? ":" : "", length, text);
        text += length + (text[length] == ':');
    }
}

/* OpenSSL passes over a name of the list that it does not know. */
static bool is_known(SSL_CTX *context, const char *name, size_t length)
{
    char alone[128];
    if (length >= sizeof alone)
        return false;
    memcpy(alone, name, length);
    alone[length] = '\0';
    bool is_suite = strncmp(alone, "TLS_", 4) == 0;
    return (is_suite ? SSL_CTX_set_ciphersuites(context, alone)
                     : SSL_CTX_set_cipher_list(context, alone)) == 1;
}

/* Operators of the list ("!aNULL", "@STRENGTH") have a meaning only beside names. */
static bool are_known(SSL_CTX *context, const char *text, char reason[TLS_REASON_BYTES])
{
    while (*text != '\0') {
        size_t length = strcspn(text, ":");
        bool is_name = length > 0 && strchr("!-+@", *text) == NULL;
        if (is_name && !is_known(context, text, length)) {
            snprintf(reason, TLS_REASON_BYTES, "OpenSSL knows no cipher \"%.*s\"",
                     length < 64 ? (int)length : 64, text);
            return false;
        }
        text += length + (text[length] == ':');
    }
    return true;
}

static bool set_ciphers(SSL_CTX *context, const char *suites, const char *ciphers)
{
    return SSL_CTX_set_ciphersuites(context, suites[0] != '\0' ? suites : default_suites) ==
               1 &&
           SSL_CTX_set_cipher_list(context, ciphers[0] != '\0' ? ciphers : default_ciphers) ==
               1;
}

static bool take_ciphers(SSL_CTX *context, const struct tls_server_plan *plan,
                         struct tls_server_fault *fault)
{
    size_t room = strlen(plan->ciphers) + 1;
    char *suites = malloc(2 * room);
    bool is_taken = false;
    fault->part = suites != NULL ? TLS_PART_CIPHERS : TLS_PART_ALL;
    if (suites != NULL && are_known(context, plan->ciphers, fault->reason)) {
        sort_ciphers(plan->ciphers, suites, suites + room);
        is_taken = set_ciphers(context, suites, suites + room);
        if (!is_taken)
            snprintf(fault->reason, sizeof fault->reason, "OpenSSL finds no cipher in it");
        /* Whoever names ciphers of one version alone wants that version alone. */
        if (suites[0] == '\0' && plan->ciphers[0] != '\0' && plan->is_1_3_alone) {
            snprintf(fault->reason, sizeof fault->reason,
                     "names no cipher of TLS 1.3, and no other version is spoken");
            is_taken = false;
        }
    }
    ERR_clear_error();
    free(suites);
    return is_taken;
}

/* ---- clients ---- */

/* Who is trusted, and what clients are told of it. */
static bool add_authorities(SSL_CTX *context, const unsigned char *bytes, size_t length)
{
    STACK_OF(X509) *all = pem_certificates(bytes, length);
    bool is_added = all != NULL;
    for (int i = 0; is_added && i < sk_X509_num(all); i++)
        is_added =
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), sk_X509_value(all, i)) == 1 &&
            SSL_CTX_add_client_CA(context, sk_X509_value(all, i)) == 1;
    sk_X509_pop_free(all, X509_free);
    return is_added;
}

static bool take_authorities(SSL_CTX *context, const struct tls_server_plan *plan,
                             struct tls_server_fault *fault)
{
    if (plan->ask == TLS_ASK_NOTHING)
        return true;
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER | (plan->ask == TLS_ASK_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_verify_depth(context, plan->depth);
    SSL_CTX_set_max_cert_list(context, CHAIN_MOST_BYTES);
    if (add_authorities(context, plan->ca, plan->ca_length))
        return true;
    fault->part = TLS_PART_CA;
    snprintf(fault->reason, sizeof fault->reason,
             "holds no certificates in PEM, or a broken one");
    return false;
}

static bool take_lists(struct tls_server *server, const struct tls_server_plan *plan,
                       struct tls_server_fault *fault)
{
    struct revocation_plan revocation = plan->revocation;
    if (plan->ask == TLS_ASK_NOTHING || (!revocation.is_asked && revocation.responder == NULL))
        return true;
    revocation.ca = plan->ca;
    revocation.ca_length = plan->ca_length;
    server->revocation =
        revocation_install(server->context, &revocation, &fault->nth, fault->reason);
    if (server->revocation == NULL)
        fault->part = fault->nth < revocation.n_lists ? TLS_PART_LIST : TLS_PART_ALL;
    return server->revocation != NULL;
}

static bool take_staples(struct tls_server *server, const struct tls_server_plan *plan)
{
    if (plan->staples == NULL)
        return true;
    server->stapling = stapling_install(server->context, plan->staples, plan->n_pairs);
    return server->stapling != NULL;
}

/* ---- protocols ---- */

static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                        const unsigned char *offered, unsigned offered_length, void *argument)
{
    const struct tls_server *server = argument;
    unsigned char *chosen = NULL;
    (void)ssl;
    int result = SSL_select_next_proto(&chosen, out_length, server->protocols,
                                       server->protocols_length, offered, offered_length);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool take_protocols(struct tls_server *server, const struct tls_server_plan *plan)
{
    if (plan->protocols_length == 0)
        return true;
    server->protocols = malloc(plan->protocols_length);
    if (server->protocols == NULL)
        return false;
    memcpy(server->protocols, plan->protocols, plan->protocols_length);
    server->protocols_length = (unsigned)plan->protocols_length;
    SSL_CTX_set_alpn_select_cb(server->context, on_protocols, server);
    return true;
}

/* ---- sessions ---- */

static bool hash_number(EVP_MD_CTX *hash, uint64_t number)
{
    return EVP_DigestUpdate(hash, &number, sizeof number) == 1;
}

static bool hash_lists(EVP_MD_CTX *hash, const struct revocation_plan *plan)
{
    bool is_hashed = hash_number(hash, plan->is_asked) && hash_number(hash, plan->is_lenient) &&
                     hash_number(hash, plan->n_lists);
    for (size_t i = 0; is_hashed && i < plan->n_lists; i++)
        is_hashed = hash_number(hash, plan->lists[i].length) &&
                    EVP_DigestUpdate(hash, plan->lists[i].bytes, plan->lists[i].length) == 1;
    return is_hashed;
}

/*
 * A session is resumed only where the same is asked of clients: the context's name is a hash of all that
 * decides who may enter, the same in every worker and after every reload that changes none of it.
 */
static bool name_sessions(SSL_CTX *context, const struct tls_server_plan *plan)
{
    unsigned char name[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_made = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(hash, plan->service, strlen(plan->service) + 1) == 1 &&
                   hash_number(hash, plan->ask) && hash_number(hash, (uint64_t)plan->depth) &&
                   hash_number(hash, plan->ca_length) &&
                   EVP_DigestUpdate(hash, plan->ca, plan->ca_length) == 1 &&
                   hash_lists(hash, &plan->revocation) &&
                   EVP_DigestFinal_ex(hash, name, &length) == 1;
    EVP_MD_CTX_free(hash);
    return is_made && SSL_CTX_set_session_id_context(context, name,
                                                     length < SSL_MAX_SID_CTX_LENGTH
                                                         ? length
                                                         : SSL_MAX_SID_CTX_LENGTH) == 1;
}

static bool take_memory(struct tls_server *server, const struct tls_server_plan *plan)
{
    server->recall = (struct recall){.table = plan->remembered, .tickets = plan->tickets};
    SSL_CTX_set_session_cache_mode(server->context, SSL_SESS_CACHE_OFF);
    return plan->remembered == NULL || recall_install(server->context, &server->recall) == 0;
}

/* ---- all of it ---- */

static bool set_up(SSL_CTX *context, const struct tls_server_plan *plan)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One record at a time: a flood of records that carry no bytes must not hold the loop. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_timeout(context, plan->ticket_lifetime_s);
    return SSL_CTX_set_min_proto_version(context, plan->is_1_3_alone ? TLS1_3_VERSION
                                                                     : TLS1_2_VERSION) == 1 &&
           SSL_CTX_set1_groups_list(context, groups) == 1 && name_sessions(context, plan) &&
           sealing_install(context, plan->tickets) == 0;
}

struct tls_server *tls_server_new(const struct tls_server_plan *plan,
                                  struct tls_server_fault *fault)
{
    struct tls_server *server = calloc(1, sizeof *server);
    *fault = (struct tls_server_fault){.part = TLS_PART_ALL};
    snprintf(fault->reason, sizeof fault->reason, "out of memory");
    if (server == NULL)
        return NULL;
    server->context = SSL_CTX_new(TLS_server_method());
    if (server->context != NULL && set_up(server->context, plan) && take_memory(server, plan) &&
        take_certificates(server, plan, fault) && take_protocols(server, plan) &&
        take_authorities(server->context, plan, fault) && take_lists(server, plan, fault) &&
        take_staples(server, plan) && take_ciphers(server->context, plan, fault))
        return server;
    ERR_clear_error();
    tls_server_free(server);
    return NULL;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    SSL_CTX_free(server->context);
    shown_free(server->shown);
    revocation_free(server->revocation);
    stapling_free(server->stapling);
    free(server->protocols);
    free(server);
}

void tls_server_retire(struct tls_server *server)
{
    X509_STORE *empty = server != NULL ? X509_STORE_new() : NULL;
    if (empty != NULL)
        SSL_CTX_set_cert_store(server->context, empty); /* takes it over */
    tls_server_free(server);
}

SSL_CTX *tls_server_context(const struct tls_server *server)
{
    return server->context;
}

bool tls_server_pick(const struct tls_server *server, SSL *ssl)
{
    return !shown_has_choice(server->shown) || shown_pick(server->shown, ssl);
}

bool tls_server_is_quick(const struct tls_server *server)
{
    return shown_is_quick(server->shown);
}

int64_t tls_server_expires(const struct tls_server *server, size_t pair)
{
    return shown_expires(server->shown, pair);
}

int64_t tls_server_lists_renew(const struct tls_server *server)
{
    return server->revocation != NULL ? revocation_renews(server->revocation) : INT64_MAX;
}

size_t tls_server_choose(const struct tls_server *server, const char *name)
{
    return shown_find(server->shown, name);
}

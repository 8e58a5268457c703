/* SPDX-License-Identifier: MIT */
/* What a service shows and asks of TLS clients: certificates by name, versions, ciphers, tickets. */
#ifndef TLS_SERVERSIDE_H
#define TLS_SERVERSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share/remembered.h"
#include "share/tickets.h"
#include "tls/client.h"
#include "tls/pair.h"
#include "tls/revocation.h"
#include "tls/stapling.h"

struct ssl_ctx_st;

/* Whether a client must show a certificate. */
enum tls_ask { TLS_ASK_NOTHING, TLS_ASK_OPTIONAL, TLS_ASK_REQUIRED };

/* Everything pointed to must outlive tls_server_new alone, but for tickets and what is remembered. */
struct tls_server_plan {
    const char *service;            /* sessions of one are none of another */
    const struct tls_pair *pairs;   /* the first is for who asks for none of their names */
    size_t n_pairs;                 /* > 0 */
    bool is_1_3_alone;              /* else from TLS 1.2 on */
    const char *ciphers;            /* with colons between; "" = Mozilla's intermediate ones */
    const unsigned char *protocols; /* of ALPN, each after its length, the most wanted first */
    size_t protocols_length;        /* 0 = ALPN is not answered */
    const unsigned char *ca;        /* in PEM: who clients' certificates must be signed by */
    size_t ca_length;
    enum tls_ask ask;
    int depth; /* most certificates between a client's own and one of ca */
    struct revocation_plan
        revocation;                   /* of clients' certificates; its ca is taken from above */
    const struct tls_staple *staples; /* one a pair; NULL: none are sent */
    const struct tickets *tickets;
    struct remembered
        *remembered; /* likewise; NULL: sessions without tickets are not resumed */
    int64_t ticket_lifetime_s;
};

/* What of a plan cannot be used. */
enum tls_server_part {
    TLS_PART_CERTIFICATE,
    TLS_PART_CIPHERS,
    TLS_PART_CA,
    TLS_PART_LIST,
    TLS_PART_ALL
};
struct tls_server_fault {
    enum tls_server_part part;
    size_t nth; /* TLS_PART_CERTIFICATE, TLS_PART_LIST: which */
    char reason[TLS_REASON_BYTES];
};

/* Made once, then read by many threads at a time. Owner: who made it. */
struct tls_server; /* opaque */

/* NULL with what is wrong in fault; may take milliseconds for each certificate. */
struct tls_server *tls_server_new(const struct tls_server_plan *plan,
                                  struct tls_server_fault *fault);

/* Streams that were made of it live on. */
void tls_server_free(struct tls_server *server);

/*
 * As tls_server_free, and takes from the streams that live on what they needed for their handshakes alone, which are over:
 * authorities and lists.
 */
void tls_server_retire(struct tls_server *server);

/* When a certificate of the plan, or one of its chain, ends; in seconds since 1970. */
int64_t tls_server_expires(const struct tls_server *server, size_t pair);

/* When the first of the lists of revoked certificates is to be renewed; INT64_MAX: there are none. */
int64_t tls_server_lists_renew(const struct tls_server *server);

/* For tls/stream alone. */
struct ssl_ctx_st *tls_server_context(const struct tls_server *server);

/* For tls/stream alone: shows what the client has asked for. False when memory is out. */
struct ssl_st;
bool tls_server_pick(const struct tls_server *server, struct ssl_st *ssl);

/* Whether every private key signs fast, as shown_is_quick has it. */
bool tls_server_is_quick(const struct tls_server *server);

/* Which of the certificates a client gets that asks for this name; for tests. The first of them where several would do. */
size_t tls_server_choose(const struct tls_server *server, const char *name);

#endif

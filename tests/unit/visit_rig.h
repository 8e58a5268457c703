/* SPDX-License-Identifier: MIT */
/* Servers that ask clients for certificates, and clients that show some. */
#ifndef TESTS_UNIT_VISIT_RIG_H
#define TESTS_UNIT_VISIT_RIG_H

#include "stream_rig.h"
#include "tls/revocation.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { HOUR_S = 3600, LISTS_MOST = 3 };

#define POINT "http://crl.example/list"

/* A client: what it shows. */
struct visitor {
    struct cert cert;
    struct shown_text text;
    struct tls_trust *trust;
};

static int64_t now_s;

/* above has signed middle, and middle signed all others; both are trusted. namesake has middle's name, but another key. */
static struct cert above, middle, namesake;
static unsigned char ca[MOST];
static size_t ca_length;
static struct shown_text page; /* of the server */
static struct tickets tickets;

static struct visitor good, bad;

/* It shows what its text says. */
static inline void equip(struct visitor *visitor)
{
    char reason[TLS_REASON_BYTES];
    tls_trust_free(visitor->trust);
    visitor->trust = tls_trust_new(ca, ca_length, reason);
    assert_non_null(visitor->trust);
    assert_true(tls_stream_prepare(visitor->trust, &visitor->text.pair, reason));
}

static inline void open_visitor(struct visitor *visitor, const char *name, int days,
                                const struct cert *issuer)
{
    visitor->cert = cert_new(name, "DNS:client", days, issuer);
    visitor->trust = NULL;
    cert_extend(&visitor->cert, NID_crl_distribution_points, "URI:" POINT, issuer);
    shown_text_fill(&visitor->text, &visitor->cert);
    equip(visitor);
}

static inline void close_visitor(struct visitor *visitor)
{
    tls_trust_free(visitor->trust);
    cert_free(&visitor->cert);
}

static inline int open_all(void **state)
{
    (void)state;
    now_s = (int64_t)time(NULL);
    above = cert_new("above", NULL, 9, NULL);
    middle = cert_new("middle", NULL, 9, &above);
    namesake = cert_new("middle", NULL, 9, &above);
    ca_length = cert_print(&above, ca, 0, MOST);
    ca_length = cert_print(&middle, ca, ca_length, MOST);
    struct cert cert = cert_new("page", "DNS:page.example", 9, &middle);
    shown_text_fill(&page, &cert);
    cert_free(&cert);
    open_visitor(&good, "good", 9, &middle);
    open_visitor(&bad, "bad", 9, &middle);
    return tickets_rotate(&tickets, NULL, 1);
}

static inline int close_all(void **state)
{
    (void)state;
    close_visitor(&good);
    close_visitor(&bad);
    cert_free(&above);
    cert_free(&middle);
    cert_free(&namesake);
    return 0;
}

/* ---- servers ---- */

/* What a server asks of clients' certificates. */
struct rules {
    struct cert_list lists[LISTS_MOST];
    size_t n_lists;
    bool is_optional, is_lenient, is_unasked;
    struct wishes *wishes;
    const char *responder;
    const struct standing_row *standings;
};

/* By middle, made an hour ago, to be renewed in an hour; bad is on it. */
static inline struct cert_list fresh_list(void)
{
    return (struct cert_list){.issuer = &middle,
                              .revoked = &bad.cert,
                              .made_s = now_s - HOUR_S,
                              .renews_s = now_s + HOUR_S};
}

static inline struct rules one_list(void)
{
    return (struct rules){.lists = {fresh_list()}, .n_lists = 1};
}

static inline struct tls_server_plan plan_of(const struct rules *rules,
                                             const struct tls_list *lists)
{
    return (struct tls_server_plan){.service = "web",
                                    .pairs = &page.pair,
                                    .n_pairs = 1,
                                    .ciphers = "",
                                    .ca = ca,
                                    .ca_length = ca_length,
                                    .ask = rules->is_optional ? TLS_ASK_OPTIONAL
                                                              : TLS_ASK_REQUIRED,
                                    .depth = 3,
                                    .revocation = {.is_asked = !rules->is_unasked,
                                                   .is_lenient = rules->is_lenient,
                                                   .lists = lists,
                                                   .n_lists = rules->n_lists,
                                                   .wishes = rules->wishes,
                                                   .responder = rules->responder,
                                                   .standings = rules->standings},
                                    .tickets = &tickets,
                                    .ticket_lifetime_s = HOUR_S};
}

/* A list without an issuer was not fetched yet. Those at odd places are in DER. */
static inline struct tls_server *open_server(const struct rules *rules)
{
    static unsigned char bytes[LISTS_MOST][MOST];
    struct tls_list lists[LISTS_MOST];
    struct tls_server_fault fault;
    for (size_t i = 0; i < rules->n_lists; i++) {
        const struct cert_list *list = &rules->lists[i];
        lists[i] = (struct tls_list){.bytes = bytes[i], .is_fetched = true};
        if (list->issuer != NULL)
            lists[i].length = i % 2 == 0 ? cert_list_print(list, bytes[i], 0, MOST)
                                         : cert_list_encode(list, bytes[i], MOST);
    }
    const struct tls_server_plan plan = plan_of(rules, lists);
    struct tls_server *server = tls_server_new(&plan, &fault);
    if (server == NULL)
        fail_msg("%s", fault.reason);
    memset(bytes, 0, sizeof bytes); /* they need not outlive it */
    return server;
}

/* ---- visits ---- */

/* What came of a handshake. */
struct visit {
    bool is_in, is_resumed;
    enum tls_blame blame;
    char blamed[64];                /* "" = nobody */
    struct ssl_session_st *session; /* the test's; NULL: none */
};

static inline struct ssl_session_st *take_session(struct tls_stream *client)
{
    int pair[2];
    char byte;
    size_t n;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    tls_stream_settle(client);
    (void)tls_transport.read(pair[0], client, &byte, 1, &n); /* tickets of TLS 1.3 */
    close(pair[0]);
    close(pair[1]);
    return tls_stream_take_session(client);
}

static inline struct visit visit(const struct tls_server *server, const struct visitor *visitor,
                                 struct ssl_session_st *session)
{
    struct visit out = {.blamed = ""};
    struct tls_facts facts;
    struct tls_stream *client = tls_stream_connect(visitor->trust, "page.example", session);
    struct tls_stream *stream = tls_stream_accept(server);
    out.is_in = shake_both(client, stream, MOST) == TLS_DONE;
    if (out.is_in) {
        tls_stream_tell(stream, &facts);
        out.is_resumed = facts.is_resumed;
        assert_true(facts.has_certificate);
        out.session = take_session(client);
    } else {
        assert_true(tls_stream_reason(stream)[0] != '\0');
        out.blame = tls_stream_blame(stream);
        if (tls_stream_blamed(stream) != NULL)
            snprintf(out.blamed, sizeof out.blamed, "%s", tls_stream_blamed(stream));
    }
    tls_stream_free(client);
    tls_stream_free(stream);
    assert_int_equal(ERR_peek_error(), 0);
    return out;
}

static inline void assert_enters(const struct tls_server *server, const struct visitor *visitor)
{
    struct visit one = visit(server, visitor, NULL);
    if (!one.is_in)
        fail_msg("refused, blame %d on %s", one.blame, one.blamed);
    assert_false(one.is_resumed);
    tls_session_free(one.session);
}

/* blamed  "" = nobody */
static inline void assert_refused(const struct tls_server *server,
                                  const struct visitor *visitor, enum tls_blame blame,
                                  const char *blamed)
{
    struct visit one = visit(server, visitor, NULL);
    tls_session_free(one.session);
    assert_false(one.is_in);
    assert_int_equal(one.blame, blame);
    assert_string_equal(one.blamed, blamed);
}

static inline void set_version(const struct visitor *visitor, int version)
{
    assert_int_equal(SSL_CTX_set_max_proto_version(tls_trust_context(visitor->trust), version),
                     1);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Promises of tls/stream, server and shown: two ends shake hands over bytes, then are a transport. */
#include "tls/stream.h"

#include "stream_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct scene {
    struct cert authority;
    struct shown_text texts[3];
    unsigned char ca[MOST];
    size_t ca_length;
    struct tickets tickets;
    struct remembered *remembered;
    struct tls_server *server;
    struct tls_trust *trust;
};

static void add_text(struct shown_text *text, const char *subject, const char *names,
                     const struct cert *issuer)
{
    struct cert cert = cert_new(subject, names, 9, issuer);
    shown_text_fill(text, &cert);
    cert_free(&cert);
}

static void open_scene(struct scene *scene, enum tls_ask ask)
{
    struct tls_server_fault fault;
    char reason[TLS_REASON_BYTES];
    *scene = (struct scene){.authority = cert_new("us", NULL, 9, NULL)};
    scene->ca_length = cert_print(&scene->authority, scene->ca, 0, MOST);
    add_text(&scene->texts[0], "first", "DNS:a.example", &scene->authority);
    add_text(&scene->texts[1], "second", "DNS:b.example,DNS:*.c.example", &scene->authority);
    add_text(&scene->texts[2], "client", "DNS:client", &scene->authority);
    assert_int_equal(tickets_rotate(&scene->tickets, NULL, 1), 0);
    scene->remembered = calloc(REMEMBERED_MOST, sizeof *scene->remembered);
    assert_non_null(scene->remembered);
    const struct tls_pair pairs[] = {scene->texts[0].pair, scene->texts[1].pair};
    const struct tls_server_plan plan = {.service = "web",
                                         .pairs = pairs,
                                         .n_pairs = 2,
                                         .ciphers = "",
                                         .ca = scene->ca,
                                         .ca_length = scene->ca_length,
                                         .ask = ask,
                                         .depth = 3,
                                         .tickets = &scene->tickets,
                                         .remembered = scene->remembered,
                                         .ticket_lifetime_s = 3600};
    scene->server = tls_server_new(&plan, &fault);
    if (scene->server == NULL)
        fail_msg("%s", fault.reason);
    scene->trust = tls_trust_new(scene->ca, scene->ca_length, reason);
    assert_non_null(scene->trust);
    assert_true(tls_stream_prepare(scene->trust, &scene->texts[2].pair, reason));
}

static void close_scene(struct scene *scene)
{
    tls_server_free(scene->server);
    free(scene->remembered);
    tls_trust_free(scene->trust);
    cert_free(&scene->authority);
    assert_int_equal(ERR_peek_error(), 0);
}

static void open_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

/* Reads as a loop would: whenever the socket, or the stream, says that there is something. */
static size_t read_all(int fd, struct tls_stream *stream, char *out, size_t room)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    size_t total = 0, n;
    while (total < room && ((tls_transport.needs(stream) & TRANSPORT_HAS_BYTES) != 0 ||
                            poll(&wait, 1, 0) > 0)) {
        enum io io = tls_transport.read(fd, stream, out + total, room - total, &n);
        if (io == IO_OK)
            total += n;
        else if (io != IO_AGAIN)
            break;
    }
    return total;
}

static void two_ends_talk_whatever_the_pieces(void **state)
{
    (void)state;
    const size_t pieces[] = {1, 7, MOST};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        static struct scene scene;
        int pair[2];
        char got[100];
        size_t n;
        open_scene(&scene, TLS_ASK_NOTHING);
        struct tls_stream *client = tls_stream_connect(scene.trust, "a.example", NULL);
        struct tls_stream *server = tls_stream_accept(scene.server);
        assert_int_equal(shake_both(client, server, pieces[i]), TLS_DONE);
        open_pair(pair);
        tls_stream_settle(client);
        tls_stream_settle(server);
        assert_int_equal(tls_transport.write(pair[0], client, "hello", 5, &n), IO_OK);
        assert_int_equal(n, 5);
        assert_int_equal(read_all(pair[1], server, got, sizeof got), 5);
        assert_memory_equal(got, "hello", 5);
        assert_int_equal(tls_transport.needs(server) & TRANSPORT_HAS_BYTES, 0);
        assert_int_equal(tls_transport.shut(pair[0], client), IO_OK);
        enum io end;
        while ((end = tls_transport.read(pair[1], server, got, sizeof got, &n)) == IO_AGAIN)
            ; /* after a short read it does not ask the socket once */
        assert_int_equal(end, IO_EOF);
        assert_int_equal(tls_transport.write(pair[1], server, "answer", 6, &n), IO_OK);
        assert_int_equal(read_all(pair[0], client, got, sizeof got), 6);
        tls_transport.fini(client);
        tls_transport.fini(server);
        close(pair[0]);
        close(pair[1]);
        close_scene(&scene);
    }
}

static void an_end_without_a_word_is_a_reset(void **state)
{
    (void)state;
    static struct scene scene;
    int pair[2];
    char got[100];
    size_t n;
    open_scene(&scene, TLS_ASK_NOTHING);
    struct tls_stream *client = tls_stream_connect(scene.trust, "a.example", NULL);
    struct tls_stream *server = tls_stream_accept(scene.server);
    assert_int_equal(shake_both(client, server, MOST), TLS_DONE);
    open_pair(pair);
    tls_stream_settle(server);
    close(pair[0]);
    assert_int_equal(tls_transport.read(pair[1], server, got, sizeof got, &n), IO_ERROR);
    assert_int_equal(errno, ECONNRESET);
    tls_stream_free(client);
    tls_stream_free(server);
    close(pair[1]);
    close_scene(&scene);
}

static void what_came_with_the_handshake_is_read_first(void **state)
{
    (void)state;
    static struct scene scene;
    int pair[2];
    char got[100];
    size_t n, length;
    open_scene(&scene, TLS_ASK_NOTHING);
    struct tls_stream *client = tls_stream_connect(scene.trust, "a.example", NULL);
    struct tls_stream *server = tls_stream_accept(scene.server);
    assert_int_equal(tls_stream_shake(client, true), TLS_WANTS_READ);
    assert_true(carry(client, server, MOST) > 0);
    assert_true(tls_stream_is_light(server));
    assert_int_equal(tls_stream_shake(server, false),
                     TLS_COMPUTES); /* the private key is needed */
    tls_stream_answer(server, &length);
    assert_int_equal(length, 0);
    assert_int_equal(tls_stream_shake(server, true), TLS_WANTS_READ);
    assert_true(tls_stream_is_light(server));
    assert_true(carry(server, client, MOST) > 0);
    assert_int_equal(tls_stream_shake(client, true), TLS_DONE);
    open_pair(pair);
    const unsigned char *last = tls_stream_answer(client, &length);
    assert_true(tls_stream_feed(server, last, length));
    tls_stream_sent(client, length);
    tls_stream_settle(client);
    assert_int_equal(tls_transport.write(pair[0], client, "early", 5, &n), IO_OK);
    unsigned char record[MOST];
    ssize_t came = recv(pair[1], record, sizeof record, 0);
    assert_true(came > 5);
    assert_true(tls_stream_feed(server, record, (size_t)came));
    assert_int_equal(tls_stream_shake(server, true), TLS_DONE);
    tls_stream_settle(server);
    assert_int_not_equal(tls_transport.needs(server) & TRANSPORT_HAS_BYTES, 0);
    assert_int_equal(tls_transport.read(pair[1], server, got, sizeof got, &n), IO_OK);
    assert_int_equal(n, 5);
    assert_int_equal(tls_transport.read(pair[1], server, got, sizeof got, &n), IO_AGAIN);
    assert_int_equal(tls_transport.needs(server) & TRANSPORT_HAS_BYTES, 0);
    tls_stream_free(client);
    tls_stream_free(server);
    close(pair[0]);
    close(pair[1]);
    close_scene(&scene);
}

/* Shakes hands up to where the server has but its ticket to send. */
static void reach_ticket(struct scene *scene, int pair[2], struct tls_stream **client,
                         struct tls_stream **server)
{
    open_scene(scene, TLS_ASK_NOTHING);
    open_pair(pair);
    *client = tls_stream_connect(scene->trust, "a.example", NULL);
    *server = tls_stream_accept(scene->server);
    assert_int_equal(tls_stream_shake(*client, true), TLS_WANTS_READ);
    assert_true(carry(*client, *server, MOST) > 0);
    assert_int_equal(tls_stream_shake(*server, true), TLS_WANTS_READ);
    assert_true(carry(*server, *client, MOST) > 0);
    assert_int_equal(tls_stream_shake(*client, true), TLS_DONE);
    assert_false(tls_stream_may_hold(*client)); /* its last word is awaited */
    assert_true(carry(*client, *server, MOST) > 0);
    assert_int_equal(tls_stream_shake(*server, true), TLS_DONE);
    assert_true(tls_stream_may_hold(*server));
    tls_stream_settle(*client);
    tls_stream_settle(*server);
}

static void leave_ticket(struct scene *scene, int pair[2], struct tls_stream *client,
                         struct tls_stream *server)
{
    tls_stream_free(client);
    tls_stream_free(server);
    close(pair[0]);
    close(pair[1]);
    close_scene(scene);
}

static void a_ticket_goes_with_the_first_bytes(void **state)
{
    (void)state;
    static struct scene scene;
    struct tls_stream *client, *server;
    int pair[2], sent = 0;
    char got[100];
    size_t n;
    reach_ticket(&scene, pair, &client, &server);
    assert_int_equal(recv(pair[0], &sent, sizeof sent, MSG_PEEK), -1);
    assert_int_equal(tls_transport.write(pair[1], server, "answer", 6, &n), IO_OK);
    assert_int_equal(n, 6);
    assert_int_equal(read_all(pair[0], client, got, sizeof got), 6);
    assert_memory_equal(got, "answer", 6);
    SSL_SESSION *session = tls_stream_take_session(client);
    assert_non_null(session);
    tls_session_free(session);
    leave_ticket(&scene, pair, client, server);
}

static void a_ticket_goes_when_nothing_is_asked(void **state)
{
    (void)state;
    static struct scene scene;
    struct tls_stream *client, *server;
    int pair[2];
    char got[100];
    size_t n;
    reach_ticket(&scene, pair, &client, &server);
    assert_int_equal(tls_transport.read(pair[1], server, got, sizeof got, &n), IO_AGAIN);
    assert_int_equal(read_all(pair[0], client, got, sizeof got), 0);
    SSL_SESSION *session = tls_stream_take_session(client);
    assert_non_null(session);
    tls_session_free(session);
    leave_ticket(&scene, pair, client, server);
}

/* The socket takes the ticket and what is behind it in pieces, or nothing at all for a while. */
static void a_ticket_that_does_not_fit_loses_nothing(void **state)
{
    (void)state;
    static struct scene scene;
    static char bytes[1 << 18], got[1 << 18];
    struct tls_stream *client, *server;
    int pair[2], least = 1;
    size_t n = 0, sent = 0, came = 0;
    reach_ticket(&scene, pair, &client, &server);
    assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    while (send(pair[1], "x", 1, MSG_DONTWAIT) == 1)
        n++;
    memset(bytes, 'y', sizeof bytes);
    size_t written = 0;
    assert_int_equal(tls_transport.write(pair[1], server, bytes, sizeof bytes, &written),
                     IO_AGAIN);
    while (n > 0) {
        ssize_t taken = recv(pair[0], got, n, 0);
        assert_true(taken > 0);
        n -= (size_t)taken;
    }
    while (came < sizeof bytes) {
        if (sent < sizeof bytes && tls_transport.write(pair[1], server, bytes + sent,
                                                       sizeof bytes - sent, &written) == IO_OK)
            sent += written;
        came += read_all(pair[0], client, got + came, sizeof got - came);
    }
    assert_int_equal(sent, sizeof bytes);
    assert_memory_equal(got, bytes, sizeof bytes);
    SSL_SESSION *session = tls_stream_take_session(client);
    assert_non_null(session);
    tls_session_free(session);
    leave_ticket(&scene, pair, client, server);
}

/* A server whose only key is this one. */
static bool is_quick_with(const char *group, int bits)
{
    EVP_PKEY *key = bits > 0 ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen(group);
    struct cert cert = cert_new_with(key, "web", "DNS:web", 9, NULL);
    static struct shown_text text;
    struct tickets tickets = {0};
    struct tls_server_fault fault;
    shown_text_fill(&text, &cert);
    const struct tls_server_plan plan = {.service = "web",
                                         .pairs = &text.pair,
                                         .n_pairs = 1,
                                         .ciphers = "",
                                         .tickets = &tickets,
                                         .ticket_lifetime_s = 3600};
    struct tls_server *server = tls_server_new(&plan, &fault);
    if (server == NULL)
        fail_msg("%s", fault.reason);
    bool is_quick = tls_server_is_quick(server);
    tls_server_free(server);
    cert_free(&cert);
    return is_quick;
}

static void keys_are_quick_or_not(void **state)
{
    (void)state;
    assert_true(is_quick_with("P-256", 0));
    assert_true(is_quick_with(NULL, 2048));
    assert_false(is_quick_with("P-384", 0));
    assert_false(is_quick_with(NULL, 3072));
}

static void a_session_is_resumed_where_its_key_is_known(void **state)
{
    (void)state;
    static struct scene scene;
    struct ssl_session_st *session = NULL;
    open_scene(&scene, TLS_ASK_NOTHING);
    for (int round = 0; round < 3 + TICKETS_PAST; round++) {
        struct tls_stream *client = tls_stream_connect(scene.trust, "a.example", session);
        struct tls_stream *server = tls_stream_accept(scene.server);
        struct tls_facts facts;
        int pair[2];
        char got[10];
        size_t n, length;
        assert_int_equal(shake_both(client, server, MOST), TLS_DONE);
        tls_stream_tell(server, &facts);
        /* The first has none to resume; the last one's is sealed with a key that is gone. */
        assert_int_equal(facts.is_resumed, round == 1);
        assert_string_equal(facts.name, "a.example");
        assert_string_equal(facts.version, "TLSv1.3");
        open_pair(pair);
        tls_stream_settle(client);
        tls_stream_answer(server, &length);
        assert_int_equal(length, 0);
        assert_int_equal(tls_transport.read(pair[0], client, got, sizeof got, &n), IO_AGAIN);
        struct ssl_session_st *given = tls_stream_take_session(client);
        assert_non_null(given);
        assert_null(tls_stream_take_session(client));
        tls_session_free(session);
        session = given;
        tls_stream_free(client);
        tls_stream_free(server);
        close(pair[0]);
        close(pair[1]);
        if (round >= 1)
            for (int i = 0; i <= TICKETS_PAST; i++)
                assert_int_equal(tickets_rotate(&scene.tickets, NULL, 2), 0);
    }
    tls_session_free(session);
    close_scene(&scene);
}

/* Whether the session, NULL: none, was resumed; its own in its place. */
static bool resumes(struct scene *scene, SSL_SESSION **session)
{
    struct tls_facts facts;
    struct tls_stream *client = tls_stream_connect(scene->trust, "a.example", *session);
    struct tls_stream *server = tls_stream_accept(scene->server);
    assert_int_equal(shake_both(client, server, MOST), TLS_DONE);
    tls_stream_tell(server, &facts);
    SSL_SESSION *given = tls_stream_take_session(client);
    if (given != NULL) {
        tls_session_free(*session);
        *session = given;
    }
    tls_stream_free(client);
    tls_stream_free(server);
    return facts.is_resumed;
}

static void without_tickets_a_session_is_resumed_by_id(void **state)
{
    (void)state;
    static struct scene scene;
    SSL_SESSION *session = NULL;
    open_scene(&scene, TLS_ASK_NOTHING);
    SSL_CTX *context = tls_trust_context(scene.trust);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_false(resumes(&scene, &session));
    assert_non_null(session);
    assert_int_equal(SSL_SESSION_has_ticket(session), 0);
    assert_true(resumes(&scene, &session));
    assert_true(resumes(&scene, &session));
    /* As long as a ticket would open, and no longer. */
    for (int i = 0; i < TICKETS_PAST; i++) {
        assert_int_equal(tickets_rotate(&scene.tickets, NULL, 2), 0);
        assert_true(resumes(&scene, &session));
    }
    assert_int_equal(tickets_rotate(&scene.tickets, NULL, 2), 0);
    assert_false(resumes(&scene, &session));
    assert_true(resumes(&scene, &session));
    /* What somebody has written there opens nothing. */
    for (size_t i = 0; i < REMEMBERED_MOST; i++)
        if (atomic_load(&scene.remembered[i].length) > 0)
            atomic_fetch_xor(&scene.remembered[i].words[8], 1);
    assert_false(resumes(&scene, &session));
    tls_session_free(session);
    close_scene(&scene);
}

static void who_takes_tickets_is_not_remembered(void **state)
{
    (void)state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        static struct scene scene;
        SSL_SESSION *session = NULL;
        open_scene(&scene, TLS_ASK_NOTHING);
        SSL_CTX_set_max_proto_version(tls_trust_context(scene.trust), versions[i]);
        (void)resumes(&scene, &session);
        for (size_t place = 0; place < REMEMBERED_MOST; place++)
            assert_int_equal(atomic_load(&scene.remembered[place].length), 0);
        tls_session_free(session);
        close_scene(&scene);
    }
}

static void names_choose_certificates(void **state)
{
    (void)state;
    static struct scene scene;
    static const struct {
        const char *name;
        size_t index;
    } cases[] = {{"a.example", 0},  {"A.EXAMPLE", 0},   {"b.example", 1},
                 {"B.Example.", 1}, {"x.c.example", 1}, {"y.x.c.example", 0},
                 {"c.example", 0},  {"nobody", 0},      {"", 0},
                 {"*.c.example", 1}};
    open_scene(&scene, TLS_ASK_NOTHING);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tls_server_choose(scene.server, cases[i].name), cases[i].index);
    assert_int_equal(tls_server_choose(scene.server, NULL), 0);
    close_scene(&scene);
}

static void who_is_asked_must_show_a_good_one(void **state)
{
    (void)state;
    static struct scene scene;
    char reason[TLS_REASON_BYTES], subject[TLS_SUBJECT_BYTES], name[TLS_SUBJECT_BYTES];
    open_scene(&scene, TLS_ASK_REQUIRED);
    struct tls_stream *client = tls_stream_connect(scene.trust, "a.example", NULL);
    struct tls_stream *server = tls_stream_accept(scene.server);
    struct tls_facts facts;
    assert_int_equal(shake_both(client, server, MOST), TLS_DONE);
    tls_stream_tell(server, &facts);
    assert_true(facts.has_certificate);
    tls_stream_tell_client(server, subject, name);
    assert_string_equal(subject, "CN=client");
    assert_string_equal(name, "client");
    tls_stream_free(client);
    tls_stream_free(server);

    struct tls_trust *bare = tls_trust_new(NULL, 0, reason);
    assert_true(tls_stream_prepare(bare, NULL, reason));
    client = tls_stream_connect(bare, "a.example", NULL);
    server = tls_stream_accept(scene.server);
    assert_int_equal(shake_both(client, server, MOST), TLS_FAILED);
    assert_non_null(strstr(tls_stream_reason(server), "certificate"));
    tls_stream_free(client);
    tls_stream_free(server);
    tls_trust_free(bare);
    close_scene(&scene);
}

static void bad_parts_are_named(void **state)
{
    (void)state;
    static struct scene scene;
    open_scene(&scene, TLS_ASK_NOTHING);
    const struct tls_pair pairs[] = {scene.texts[0].pair,
                                     {scene.texts[0].chain, scene.texts[1].key,
                                      scene.texts[0].pair.chain_length,
                                      scene.texts[1].pair.key_length}};
    const struct {
        struct tls_server_plan plan;
        enum tls_server_part part;
        const char *says;
    } cases[] = {
        {{.n_pairs = 2, .ciphers = ""}, TLS_PART_CERTIFICATE, "not that of the certificate"},
        {{.n_pairs = 1, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:NONE"},
         TLS_PART_CIPHERS,
         "knows no cipher \"NONE\""},
        {{.n_pairs = 1,
          .ciphers = "",
          .ask = TLS_ASK_OPTIONAL,
          .ca = (const unsigned char *)"x",
          .ca_length = 1},
         TLS_PART_CA,
         "no certificates in PEM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_server_plan plan = cases[i].plan;
        struct tls_server_fault fault;
        plan.service = "web";
        plan.pairs = pairs;
        plan.tickets = &scene.tickets;
        assert_null(tls_server_new(&plan, &fault));
        assert_int_equal(fault.part, cases[i].part);
        if (strstr(fault.reason, cases[i].says) == NULL)
            fail_msg("not %s but %s", cases[i].says, fault.reason);
        if (fault.part == TLS_PART_CERTIFICATE)
            assert_int_equal(fault.nth, 1);
    }
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_talk_whatever_the_pieces),
        cmocka_unit_test(an_end_without_a_word_is_a_reset),
        cmocka_unit_test(what_came_with_the_handshake_is_read_first),
        cmocka_unit_test(a_ticket_goes_with_the_first_bytes),
        cmocka_unit_test(a_ticket_goes_when_nothing_is_asked),
        cmocka_unit_test(a_ticket_that_does_not_fit_loses_nothing),
        cmocka_unit_test(keys_are_quick_or_not),
        cmocka_unit_test(a_session_is_resumed_where_its_key_is_known),
        cmocka_unit_test(without_tickets_a_session_is_resumed_by_id),
        cmocka_unit_test(who_takes_tickets_is_not_remembered),
        cmocka_unit_test(names_choose_certificates),
        cmocka_unit_test(who_is_asked_must_show_a_good_one),
        cmocka_unit_test(bad_parts_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

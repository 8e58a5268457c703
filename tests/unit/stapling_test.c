/* SPDX-License-Identifier: MIT */
/* Promises of tls/stapling, through a server and a stream: who asks gets the word on what is shown, while it is good. */
#include "tls/stapling.h"

#include "stream_rig.h"

#include <poll.h>
#include <time.h>

enum { HOUR_S = 3600, PAGES = 2 };

static int64_t now_s;
static struct cert authority, namesake, pages[PAGES];
static struct shown_text texts[PAGES]; /* with the issuer behind it */
static struct tickets tickets;

static int make_certificates(void **state)
{
    (void)state;
    static const char *const names[] = {"DNS:a.example", "DNS:b.example"};
    now_s = (int64_t)time(NULL);
    authority = cert_new("us", NULL, 9, NULL);
    namesake = cert_new("us", NULL, 9, NULL);
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = cert_new("page", names[i], 9, &authority);
        shown_text_fill(&texts[i], &pages[i]);
        shown_text_add(&texts[i], &authority);
    }
    return tickets_rotate(&tickets, NULL, 1);
}

static int free_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++)
        cert_free(&pages[i]);
    cert_free(&authority);
    cert_free(&namesake);
    return 0;
}

/* That this certificate is good; said an hour ago, to be renewed in an hour. */
static struct cert_word word_on(size_t page)
{
    return (struct cert_word){.about = &pages[page],
                              .issuer = &authority,
                              .status = V_OCSP_CERTSTATUS_GOOD,
                              .made_s = now_s - HOUR_S,
                              .renews_s = now_s + HOUR_S};
}

/* A server of all pages with what was said of each. */
struct scene {
    unsigned char bytes[PAGES][MOST];
    struct tls_staple staples[PAGES];
    struct tls_server *server;
};

/* words: one a page; without a subject: nothing was said yet. NULL: nothing is sent at all */
static void open_scene(struct scene *scene, const struct cert_word *words)
{
    const struct tls_pair pairs[PAGES] = {texts[0].pair, texts[1].pair};
    struct tls_server_fault fault;
    for (size_t i = 0; i < PAGES; i++) {
        size_t length = words != NULL && words[i].about != NULL
                            ? cert_word_encode(&words[i], scene->bytes[i], MOST)
                            : 0;
        scene->staples[i] = (struct tls_staple){texts[i].chain, texts[i].pair.chain_length,
                                                scene->bytes[i], length};
    }
    const struct tls_server_plan plan = {.service = "web",
                                         .pairs = pairs,
                                         .n_pairs = PAGES,
                                         .ciphers = "",
                                         .staples = words != NULL ? scene->staples : NULL,
                                         .tickets = &tickets,
                                         .ticket_lifetime_s = HOUR_S};
    scene->server = tls_server_new(&plan, &fault);
    if (scene->server == NULL)
        fail_msg("%s", fault.reason);
}

/* What a client has been sent. */
struct heard {
    unsigned char bytes[MOST];
    size_t length; /* 0 = nothing */
};

static int on_staple(SSL *ssl, void *argument)
{
    struct heard *heard = argument;
    const unsigned char *bytes;
    long length = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    heard->length = length > 0 ? (size_t)length : 0;
    assert_in_range(heard->length, 0, MOST);
    if (heard->length > 0)
        memcpy(heard->bytes, bytes, heard->length);
    return 1;
}

/* version  the highest; 0 = any */
static void visit(const struct scene *scene, const char *name, bool asks, int version,
                  struct heard *heard)
{
    unsigned char ca[MOST];
    char reason[TLS_REASON_BYTES];
    struct tls_trust *trust = tls_trust_new(ca, cert_print(&authority, ca, 0, MOST), reason);
    assert_true(tls_stream_prepare(trust, NULL, reason));
    SSL_CTX *context = tls_trust_context(trust);
    *heard = (struct heard){.length = 0};
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_tlsext_status_type(context, asks ? TLSEXT_STATUSTYPE_ocsp : -1);
    SSL_CTX_set_tlsext_status_cb(context, on_staple);
    SSL_CTX_set_tlsext_status_arg(context, heard);
    struct tls_stream *client = tls_stream_connect(trust, name, NULL);
    struct tls_stream *server = tls_stream_accept(scene->server);
    assert_int_equal(shake_both(client, server, MOST), TLS_DONE);
    tls_stream_free(client);
    tls_stream_free(server);
    tls_trust_free(trust);
    assert_int_equal(ERR_peek_error(), 0);
}

/* page: whose word comes; PAGES: none */
static void assert_heard(const struct scene *scene, const char *name, size_t page)
{
    static struct heard heard;
    for (int i = 0; i < 2; i++) {
        visit(scene, name, true, i == 0 ? TLS1_2_VERSION : 0, &heard);
        assert_int_equal(heard.length, page < PAGES ? scene->staples[page].length : 0);
        if (page < PAGES)
            assert_memory_equal(heard.bytes, scene->staples[page].bytes, heard.length);
    }
}

static void who_asks_gets_the_word_on_what_is_shown(void **state)
{
    (void)state;
    static struct scene scene;
    static struct heard heard;
    const struct cert_word words[PAGES] = {word_on(0), word_on(1)};
    open_scene(&scene, words);
    assert_heard(&scene, "a.example", 0);
    assert_heard(&scene, "b.example", 1);
    visit(&scene, "a.example", false, 0, &heard);
    assert_int_equal(heard.length, 0);
    tls_server_free(scene.server);
}

static void where_nothing_was_said_nothing_is_sent(void **state)
{
    (void)state;
    static struct scene scene;
    const struct cert_word words[PAGES] = {{0}, word_on(1)};
    open_scene(&scene, words);
    assert_heard(&scene, "a.example", PAGES);
    assert_heard(&scene, "b.example", 1);
    tls_server_free(scene.server);
    open_scene(&scene, NULL);
    assert_heard(&scene, "b.example", PAGES);
    tls_server_free(scene.server);
}

static void what_is_not_good_is_left_out(void **state)
{
    (void)state;
    static struct scene scene;
    for (int i = 0; i < 6; i++) {
        struct cert_word words[PAGES] = {word_on(0), word_on(1)};
        if (i == 0)
            words[0].status = V_OCSP_CERTSTATUS_REVOKED;
        else if (i == 1)
            words[0].status = V_OCSP_CERTSTATUS_UNKNOWN;
        else if (i == 2)
            words[0].renews_s = now_s - 1;
        else if (i == 3)
            words[0].made_s = now_s + HOUR_S / 2;
        else if (i == 4)
            words[0].signer = &namesake;
        else
            words[0].about = &pages[1];
        open_scene(&scene, words);
        assert_heard(&scene, "a.example", PAGES);
        assert_heard(&scene, "b.example", 1);
        tls_server_free(scene.server);
    }
}

static void a_word_is_sent_while_it_is_fresh(void **state)
{
    (void)state;
    enum { LIFE_S = 3, PATIENCE_S = 20, TURN_MS = 50 };
    static struct scene scene;
    static struct heard heard;
    struct cert_word words[PAGES] = {word_on(0), word_on(1)};
    const int64_t began_s = (int64_t)time(NULL);
    size_t n_heard = 0;
    words[0].renews_s = began_s + LIFE_S;
    open_scene(&scene, words);
    for (;;) {
        visit(&scene, "a.example", true, 0, &heard);
        if (heard.length == 0)
            break;
        n_heard++;
        assert_true((int64_t)time(NULL) < began_s + PATIENCE_S);
        (void)poll(NULL, 0, TURN_MS);
    }
    assert_true(n_heard > 0);
    assert_true((int64_t)time(NULL) >= words[0].renews_s);
    assert_heard(&scene, "b.example", 1);
    tls_server_free(scene.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_gets_the_word_on_what_is_shown),
        cmocka_unit_test(where_nothing_was_said_nothing_is_sent),
        cmocka_unit_test(what_is_not_good_is_left_out),
        cmocka_unit_test(a_word_is_sent_while_it_is_fresh),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}

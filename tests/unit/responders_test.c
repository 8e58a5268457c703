/* SPDX-License-Identifier: MIT */
/* Promises of tls/revocation about responders, through a server and a stream: who is called revoked does not enter. */
#include "tls/revocation.h"

#include "visit_rig.h"

/* ---- responders ---- */

/* What is said about good from now on. */
static void say(struct standing_row *table, enum standing standing, uint64_t for_ns)
{
    STACK_OF(X509) *trusted = sk_X509_new_null();
    const struct query_terms terms = {.trusted = trusted, .url = ""};
    struct query query;
    assert_true(sk_X509_push(trusted, middle.x509) > 0);
    assert_int_equal(query_alone(&terms, good.cert.x509, &query), 1);
    standing_put(table, query.key, standing, clock_now_ns(), clock_now_ns() + for_ns);
    sk_X509_free(trusted);
}

/* The stream tells what to ask, whether it resumes a session or not. */
static void assert_asked_about(const struct tls_server *server, const struct cert *cert,
                               struct ssl_session_st *session)
{
    struct query queries[QUERIES_MOST];
    struct tls_stream *client = tls_stream_connect(good.trust, "page.example", session);
    struct tls_stream *stream = tls_stream_accept(server);
    assert_int_equal(shake_both(client, stream, MOST), TLS_DONE);
    assert_int_equal(tls_stream_queries(stream, queries), cert != NULL);
    if (cert != NULL)
        assert_int_equal(X509_cmp(queries[0].certificate, cert->x509), 0);
    tls_stream_free(client);
    tls_stream_free(stream);
}

static void whom_a_responder_has_called_revoked_is_refused(void **state)
{
    (void)state;
    const uint64_t hour_ns = HOUR_S * CLOCK_NS_PER_S;
    struct standing_row *table = calloc(STANDINGS_MOST, sizeof *table);
    const struct rules rules = {.is_unasked = true, .responder = "", .standings = table};
    for (int i = 0; i < 2; i++) {
        struct tls_server *server = open_server(&rules);
        set_version(&good, i == 0 ? TLS1_2_VERSION : 0);
        struct visit first = visit(server, &good, NULL);
        assert_true(first.is_in);
        struct visit again = visit(server, &good, first.session);
        assert_true(again.is_in &&
                    again.is_resumed); /* who is not known is asked about afterwards */
        assert_asked_about(server, &good.cert, NULL);
        assert_asked_about(server, &good.cert, again.session);
        say(table, STANDING_REVOKED, hour_ns);
        assert_refused(server, &good, TLS_BLAME_REVOKED, "CN=good");
        struct visit third = visit(server, &good, again.session);
        assert_false(third.is_in);
        assert_int_equal(third.blame, TLS_BLAME_REVOKED);
        say(table, STANDING_REVOKED, 0); /* too old at once */
        assert_enters(server, &good);
        say(table, STANDING_UNANSWERED, hour_ns); /* not for the handshake to decide */
        assert_enters(server, &good);
        say(table, STANDING_GOOD, hour_ns);
        assert_enters(server, &good);
        tls_session_free(first.session);
        tls_session_free(again.session);
        tls_session_free(third.session);
        tls_server_free(server);
    }
    free(table);
}

static void nobody_is_asked_about_unless_that_is_wanted(void **state)
{
    (void)state;
    const struct rules rules = {.is_unasked = true};
    const struct rules lists = one_list();
    const struct rules *const both[] = {&rules, &lists};
    for (int i = 0; i < 2; i++) {
        struct tls_server *server = open_server(both[i]);
        assert_asked_about(server, NULL, NULL);
        tls_server_free(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_a_responder_has_called_revoked_is_refused),
        cmocka_unit_test(nobody_is_asked_about_unless_that_is_wanted),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

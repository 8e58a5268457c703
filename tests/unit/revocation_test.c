/* SPDX-License-Identifier: MIT */
/* Promises of tls/revocation, through a server and a stream: who is on a list does not enter, nor who none covers. */
#include "tls/revocation.h"

#include "visit_rig.h"

/* ---- who enters ---- */

static void who_is_on_a_list_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct rules rules = one_list();
        rules.is_optional = i % 2 == 1;
        rules.is_lenient = i / 2 % 2 == 1;
        struct tls_server *server = open_server(&rules);
        set_version(&good, i < 4 ? TLS1_2_VERSION : 0);
        set_version(&bad, i < 4 ? TLS1_2_VERSION : 0);
        assert_enters(server, &good);
        assert_refused(server, &bad, TLS_BLAME_REVOKED, "CN=bad");
        tls_server_free(server);
    }
}

static void without_a_list_the_policy_decides(void **state)
{
    (void)state;
    for (size_t n = 0; n < 2; n++) { /* there is none; it was not fetched yet */
        struct rules rules = {.n_lists = n};
        struct tls_server *server = open_server(&rules);
        assert_refused(server, &good, TLS_BLAME_STALE, "CN=good");
        tls_server_free(server);
        rules.is_lenient = true;
        server = open_server(&rules);
        assert_enters(server, &good);
        tls_server_free(server);
    }
}

static void a_list_of_somebody_else_covers_nobody(void **state)
{
    (void)state;
    struct rules rules = one_list();
    rules.lists[0].issuer = &above;
    struct tls_server *server = open_server(&rules);
    assert_refused(server, &good, TLS_BLAME_STALE, "CN=good");
    tls_server_free(server);
    rules.lists[0].issuer = &namesake; /* forged */
    server = open_server(&rules);
    assert_false(visit(server, &good, NULL).is_in);
    tls_server_free(server);
}

static void a_list_out_of_its_time_can_only_refuse(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rules rules = one_list();
        if (i == 0)
            rules.lists[0].renews_s = now_s - 1;
        else
            rules.lists[0].made_s = now_s + HOUR_S / 2;
        struct tls_server *server = open_server(&rules);
        assert_refused(server, &good, TLS_BLAME_STALE, "CN=good");
        tls_server_free(server);
        rules.is_lenient = true;
        server = open_server(&rules);
        assert_enters(server, &good);
        assert_refused(server, &bad, TLS_BLAME_REVOKED, "CN=bad");
        tls_server_free(server);
    }
}

static void nobody_is_looked_up_unless_that_is_asked(void **state)
{
    (void)state;
    struct rules rules = one_list();
    rules.is_unasked = true;
    struct tls_server *server = open_server(&rules);
    assert_enters(server, &good);
    assert_enters(server, &bad);
    tls_server_free(server);
}

static void several_lists_count_together(void **state)
{
    (void)state;
    struct rules rules = one_list();
    rules.lists[1] = fresh_list();
    rules.lists[1].issuer = &above;
    rules.lists[1].revoked = NULL;
    rules.lists[2] = (struct cert_list){0}; /* not fetched yet */
    rules.n_lists = 3;
    struct tls_server *server = open_server(&rules);
    assert_enters(server, &good);
    assert_refused(server, &bad, TLS_BLAME_REVOKED, "CN=bad");
    tls_server_free(server);
    rules = one_list();
    rules.lists[0].revoked = &good.cert;
    server = open_server(&rules);
    assert_refused(server, &good, TLS_BLAME_REVOKED, "CN=good");
    assert_enters(server, &bad);
    tls_server_free(server);
}

/* ---- chains ---- */

/* One that stands between: it is shown by the client, and not trusted itself. */
static void only_what_is_trusted_itself_needs_no_list(void **state)
{
    (void)state;
    static struct visitor guest;
    struct cert between = cert_new("between", NULL, 9, &middle);
    struct rules rules = one_list();
    open_visitor(&guest, "guest", 9, &between);
    shown_text_add(&guest.text, &between);
    equip(&guest);
    struct cert_list of_between = fresh_list();
    of_between.issuer = &between;
    of_between.revoked = NULL;
    rules.lists[0] = of_between; /* nobody says anything about between */
    struct tls_server *server = open_server(&rules);
    assert_refused(server, &guest, TLS_BLAME_STALE, "CN=between");
    tls_server_free(server);
    rules.lists[1] = fresh_list();
    rules.n_lists = 2; /* nor about middle: it is trusted itself */
    server = open_server(&rules);
    assert_enters(server, &guest);
    tls_server_free(server);
    rules.lists[1].revoked = &between;
    server = open_server(&rules);
    assert_refused(server, &guest, TLS_BLAME_REVOKED, "CN=between");
    tls_server_free(server);
    close_visitor(&guest);
    cert_free(&between);
}

static void other_faults_are_not_blamed_on_lists(void **state)
{
    (void)state;
    static struct visitor stranger, late;
    struct rules rules = one_list();
    struct tls_server *server = open_server(&rules);
    struct cert others = cert_new("others", NULL, 9, NULL);
    open_visitor(&stranger, "stranger", 9, &others);
    assert_refused(server, &stranger, TLS_BLAME_OTHER, "");
    open_visitor(&late, "late", 0, &middle);
    assert_refused(server, &late, TLS_BLAME_OTHER, "");
    close_visitor(&stranger);
    close_visitor(&late);
    cert_free(&others);
    tls_server_free(server);
}

static void verdicts_have_a_meaning(void **state)
{
    (void)state;
    assert_int_equal(revocation_blame(X509_V_ERR_CERT_REVOKED), TLS_BLAME_REVOKED);
    assert_int_equal(revocation_blame(X509_V_ERR_CRL_HAS_EXPIRED), TLS_BLAME_STALE);
    assert_int_equal(revocation_blame(X509_V_ERR_UNABLE_TO_GET_CRL), TLS_BLAME_STALE);
    assert_int_equal(revocation_blame(X509_V_ERR_CERT_HAS_EXPIRED), TLS_BLAME_OTHER);
}

/* ---- wishes ---- */

static void assert_wished(struct wishes *wishes, const char *expected)
{
    char url[WISH_BYTES];
    bool is_there = wishes_take(wishes, url);
    assert_int_equal(is_there, expected != NULL);
    if (expected != NULL)
        assert_string_equal(url, expected);
    assert_false(wishes_take(wishes, url));
}

static void a_certificate_without_a_list_makes_a_wish(void **state)
{
    (void)state;
    static struct wishes wishes;
    for (int i = 0; i < 2; i++) {
        struct rules rules = {.wishes = &wishes, .is_lenient = i == 1};
        struct tls_server *server = open_server(&rules);
        for (int k = 0; k < 2; k++)
            tls_session_free(visit(server, &good, NULL).session);
        assert_wished(&wishes, POINT);
        tls_server_free(server);
        rules = one_list(); /* which covers both */
        rules.wishes = &wishes;
        rules.is_lenient = i == 1;
        server = open_server(&rules);
        assert_enters(server, &good);
        assert_refused(server, &bad, TLS_BLAME_REVOKED, "CN=bad");
        assert_wished(&wishes, NULL);
        tls_server_free(server);
    }
}

/* Anybody can write a certificate: what is fetched is what an authority has signed. */
static void a_forged_certificate_makes_none(void **state)
{
    (void)state;
    static struct wishes wishes;
    static struct visitor forger;
    open_visitor(&forger, "forger", 9, &namesake); /* as if middle had signed it */
    for (int i = 0; i < 2; i++) {
        struct rules rules = {.wishes = &wishes, .is_lenient = i == 1};
        struct tls_server *server = open_server(&rules);
        assert_false(visit(server, &forger, NULL).is_in);
        assert_wished(&wishes, NULL);
        tls_server_free(server);
    }
    close_visitor(&forger);
}

/* ---- lists that cannot be used, their times ---- */

static void a_broken_list_is_named(void **state)
{
    (void)state;
    static unsigned char bytes[MOST];
    struct cert_list list = fresh_list(), endless = fresh_list();
    endless.renews_s = 0;
    size_t length = cert_list_print(&list, bytes, 0, MOST / 2);
    unsigned char *other = bytes + MOST / 2;
    size_t other_length = cert_list_encode(&endless, other, MOST / 2);
    const struct tls_list faults[] = {{(const unsigned char *)"hello", 5, false},
                                      {bytes, length / 2, false},
                                      {other, other_length, false}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct tls_list lists[] = {{bytes, length, false}, faults[i]};
        const struct rules rules = {.n_lists = 2};
        struct tls_server_plan plan = plan_of(&rules, lists);
        struct tls_server_fault fault;
        assert_null(tls_server_new(&plan, &fault));
        assert_int_equal(fault.part, TLS_PART_LIST);
        assert_int_equal(fault.nth, 1);
        assert_true(fault.reason[0] != '\0');
        lists[1].is_fetched = true; /* then it is passed over */
        struct tls_server *server = tls_server_new(&plan, &fault);
        assert_non_null(server);
        assert_enters(server, &good);
        assert_refused(server, &bad, TLS_BLAME_REVOKED, "CN=bad");
        tls_server_free(server);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void the_first_to_be_renewed_is_told(void **state)
{
    (void)state;
    struct rules rules = {.n_lists = 0};
    struct tls_server *server = open_server(&rules);
    assert_int_equal(tls_server_lists_renew(server), INT64_MAX);
    tls_server_free(server);
    rules.n_lists = 3; /* of which the last was not fetched yet */
    rules.lists[0] = rules.lists[1] = fresh_list();
    rules.lists[1].renews_s = now_s + 77;
    server = open_server(&rules);
    assert_int_equal(tls_server_lists_renew(server), now_s + 77);
    tls_server_free(server);
    rules.is_unasked = true;
    server = open_server(&rules);
    assert_int_equal(tls_server_lists_renew(server), INT64_MAX);
    tls_server_free(server);
}

/* ---- sessions ---- */

/* A session that began by one plan is shown to a server of another. */
static struct visit revisit(const struct tls_server_plan *before,
                            const struct tls_server_plan *now)
{
    struct tls_server_fault fault;
    struct tls_server *server = tls_server_new(before, &fault);
    struct visit first = visit(server, &good, NULL);
    tls_server_free(server);
    assert_true(first.is_in);
    assert_non_null(first.session);
    server = tls_server_new(now, &fault);
    struct visit second = visit(server, &good, first.session);
    tls_server_free(server);
    tls_session_free(first.session);
    tls_session_free(second.session);
    return second;
}

static void a_session_ends_with_what_it_was_looked_up_in(void **state)
{
    (void)state;
    enum { ROOM = MOST / 3 };
    static unsigned char bytes[MOST];
    struct cert_list list = fresh_list(), newer = fresh_list(), against = fresh_list();
    newer.made_s++;
    against.revoked = &good.cert;
    const struct tls_list lists[] = {
        {bytes, cert_list_encode(&list, bytes, ROOM), true},
        {bytes, 0, true},
        {bytes + ROOM, cert_list_encode(&newer, bytes + ROOM, ROOM), true},
        {bytes + 2 * ROOM, cert_list_encode(&against, bytes + 2 * ROOM, ROOM), true}};
    const struct rules rules = {.n_lists = 1};
    const struct tls_server_plan plan = plan_of(&rules, lists);
    struct tls_server_plan others[] = {plan, plan, plan, plan, plan};
    others[0].revocation.lists = &lists[2];
    others[1].revocation.n_lists = 2; /* one is waited for */
    others[2].revocation.is_lenient = true;
    others[3].revocation.is_asked = false;
    others[4].revocation.lists = &lists[3];
    for (int version = 0; version < 2; version++) {
        set_version(&good, version == 0 ? TLS1_2_VERSION : 0);
        struct visit again = revisit(&plan, &plan);
        assert_true(again.is_in && again.is_resumed);
        for (size_t i = 0; i < 4; i++) {
            again = revisit(&plan, &others[i]);
            assert_true(again.is_in);
            assert_false(again.is_resumed);
        }
        again = revisit(&plan, &others[4]);
        assert_false(again.is_in);
        assert_int_equal(again.blame, TLS_BLAME_REVOKED);
    }
}

/* While the list lives, sessions are resumed; then the full handshake decides. */
static void no_session_outlives_the_list(void **state)
{
    (void)state;
    enum { LIFE_S = 3, PATIENCE_S = 20, TURN_MS = 50 };
    for (int i = 0; i < 2; i++) {
        struct rules rules = one_list();
        const int64_t began_s = (int64_t)time(NULL);
        rules.lists[0].renews_s = began_s + LIFE_S;
        rules.is_lenient = i == 1;
        struct tls_server *server = open_server(&rules);
        struct visit last = visit(server, &good, NULL), next;
        size_t n_resumed = 0;
        assert_true(last.is_in);
        for (;;) {
            bool is_over = (int64_t)time(NULL) > rules.lists[0].renews_s;
            next = visit(server, &good, last.session);
            tls_session_free(last.session);
            last = next;
            if (!next.is_in || (is_over && rules.is_lenient))
                break;
            n_resumed += next.is_resumed;
            assert_true((int64_t)time(NULL) < began_s + PATIENCE_S);
            (void)poll(NULL, 0, TURN_MS);
        }
        assert_true(n_resumed > 0);
        assert_int_equal(next.is_in, rules.is_lenient);
        assert_int_equal(next.is_resumed, rules.is_lenient);
        assert_int_equal(next.blame, rules.is_lenient ? TLS_BLAME_OTHER : TLS_BLAME_STALE);
        assert_true((int64_t)time(NULL) >= rules.lists[0].renews_s);
        tls_session_free(next.session);
        tls_server_free(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_on_a_list_is_refused),
        cmocka_unit_test(without_a_list_the_policy_decides),
        cmocka_unit_test(a_list_of_somebody_else_covers_nobody),
        cmocka_unit_test(a_list_out_of_its_time_can_only_refuse),
        cmocka_unit_test(nobody_is_looked_up_unless_that_is_asked),
        cmocka_unit_test(several_lists_count_together),
        cmocka_unit_test(only_what_is_trusted_itself_needs_no_list),
        cmocka_unit_test(other_faults_are_not_blamed_on_lists),
        cmocka_unit_test(verdicts_have_a_meaning),
        cmocka_unit_test(a_certificate_without_a_list_makes_a_wish),
        cmocka_unit_test(a_forged_certificate_makes_none),
        cmocka_unit_test(a_broken_list_is_named),
        cmocka_unit_test(the_first_to_be_renewed_is_told),
        cmocka_unit_test(a_session_ends_with_what_it_was_looked_up_in),
        cmocka_unit_test(no_session_outlives_the_list),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

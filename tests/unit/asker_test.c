/* SPDX-License-Identifier: MIT */
/* Promises of director/asker, with a responder on a thread: what is said holds as long as it may, who fails is left alone. */
#include "director/asker.h"

#include "cert_rig.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "share/questions.h"
#include "share/standing.h"
#include "tls/query.h"

enum { MOST = 8192, HOUR_S = 3600, KEEP_MS = 600000, PATIENCE_S = 20 };

/* Answers each request with a body, or hangs up on it when there is none. */
struct responder {
    pthread_t thread;
    int fd;
    char url[64];
    unsigned char body[MOST];
    size_t length;
    _Atomic int n_asked;
};

static struct cert authority, client;
static struct responder responder;
static struct segment segment;
static struct bells bells;
static struct ev_loop *loop;
static struct asker *asker;
static struct query query; /* about client */
static struct text chain;

/* ---- the responder ---- */

static void *respond(void *argument)
{
    struct responder *own = argument;
    char request[MOST];
    int fd;
    while ((fd = accept(own->fd, NULL, NULL)) >= 0) {
        /* Head and body come in one piece or two; whatever is asked, the answer is the same. */
        (void)!read(fd, request, sizeof request);
        atomic_fetch_add(&own->n_asked, 1);
        if (own->length > 0)
            dprintf(fd,
                    "HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    own->length);
        (void)!write(fd, own->body, own->length);
        shutdown(fd, SHUT_WR);
        while (read(fd, request, sizeof request) > 0)
            ;
        close(fd);
    }
    return NULL;
}

static int open_responder(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    responder.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(responder.fd, (const struct sockaddr *)&address, length) != 0 ||
        listen(responder.fd, 16) != 0 ||
        getsockname(responder.fd, (struct sockaddr *)&address, &length) != 0)
        return -1;
    snprintf(responder.url, sizeof responder.url, "http://127.0.0.1:%d/",
             ntohs(address.sin_port));
    return pthread_create(&responder.thread, NULL, respond, &responder);
}

static int close_responder(void)
{
    shutdown(responder.fd, SHUT_RDWR);
    pthread_join(responder.thread, NULL);
    return close(responder.fd);
}

/* What it says next. */
static void say(int status, int64_t renews_s)
{
    const struct cert_word word = {.about = &client,
                                   .issuer = &authority,
                                   .status = status,
                                   .made_s = (int64_t)time(NULL) - HOUR_S,
                                   .renews_s = renews_s};
    responder.length = cert_word_encode(&word, responder.body, sizeof responder.body);
}

static int open_all(void **state)
{
    (void)state;
    authority = cert_new("authority", NULL, 9, NULL);
    client = cert_new("client", "DNS:client", 9, &authority);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    sk_X509_push(trusted, authority.x509);
    if (open_responder() != 0)
        return -1;
    const struct query_terms terms = {.trusted = trusted, .url = responder.url};
    int n = query_alone(&terms, client.x509, &query);
    sk_X509_free(trusted);
    return n == 1 && query_print(&query, &chain) ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    text_fini(&chain);
    cert_free(&authority);
    cert_free(&client);
    return close_responder();
}

/* ---- one asker ---- */

static void apply(bool is_wanted)
{
    struct model_service service = {.client_ocsp.source = is_wanted ? OCSP_AUTO : OCSP_NO};
    const struct model model = {.services = &service, .n_services = 1};
    asker_apply(asker, &model);
}

static int open_asker(void **state)
{
    (void)state;
    bells_init(&bells);
    loop = ev_loop_new(0);
    if (segment_create(&segment, NULL) != 0 || bells_make(&bells, 0) != 0 ||
        bells_make(&bells, BELL_OF_DIRECTOR) != 0)
        return -1;
    asker = asker_new(loop, &segment, &bells);
    asker_hear(asker, dup(bells.fds[BELL_OF_DIRECTOR]));
    atomic_store(&responder.n_asked, 0);
    say(V_OCSP_CERTSTATUS_GOOD, (int64_t)time(NULL) + HOUR_S);
    return 0;
}

static int close_asker(void **state)
{
    (void)state;
    bool is_freed = asker_free(asker);
    ev_loop_destroy(loop);
    bells_fini(&bells);
    segment_fini(&segment);
    return is_freed ? 0 : -1;
}

static void leave(const char *url, int64_t keep_ms)
{
    assert_true(questions_put(segment.questions, &(struct question_text){.url = url,
                                                                         .chain = chain.at,
                                                                         .length = chain.length,
                                                                         .timeout_ms = 1000,
                                                                         .keep_ms = keep_ms}));
    bells_ring(&bells, BELL_OF_DIRECTOR);
}

static uint64_t said_so_often(void)
{
    return atomic_load(&segment.daemon->standings);
}

/* Until something was said since. */
static void run_until_said(uint64_t before)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_S * CLOCK_NS_PER_S;
    while (said_so_often() == before && clock_now_ns() < end_ns) {
        ev_run(loop, EVRUN_NOWAIT);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_true(said_so_often() > before);
}

/* Asks, and what then stands at this moment, for somebody who waits since or for anybody. */
static enum standing ask(int64_t keep_ms, uint64_t later_ns, bool waits)
{
    uint64_t before = said_so_often(), since_ns = clock_now_ns();
    leave(responder.url, keep_ms);
    run_until_said(before);
    return standing_get(segment.standings, query.key, clock_now_ns() + later_ns,
                        waits ? since_ns : UINT64_MAX);
}

/* ---- promises ---- */

static void what_is_said_holds_no_longer_than_it_may(void **state)
{
    (void)state;
    const uint64_t minute_ns = 60 * CLOCK_NS_PER_S;
    apply(true);
    assert_int_equal(ask(KEEP_MS, 0, false), STANDING_GOOD);
    assert_int_equal(ask(KEEP_MS, 9 * minute_ns, false), STANDING_GOOD);
    assert_int_equal(ask(KEEP_MS, 11 * minute_ns, false), STANDING_UNASKED);
    say(V_OCSP_CERTSTATUS_GOOD, (int64_t)time(NULL) + 120); /* its own end comes before */
    assert_int_equal(ask(KEEP_MS, minute_ns, false), STANDING_GOOD);
    assert_int_equal(ask(KEEP_MS, 3 * minute_ns, false), STANDING_UNASKED);
    say(V_OCSP_CERTSTATUS_GOOD, 0); /* it does not say */
    assert_int_equal(ask(KEEP_MS, 9 * minute_ns, false), STANDING_GOOD);
    assert_int_equal(ask(0, 0, false), STANDING_UNASKED);
    assert_int_equal(ask(0, 0, true), STANDING_GOOD); /* for who waits alone */
    say(V_OCSP_CERTSTATUS_REVOKED, (int64_t)time(NULL) + HOUR_S);
    assert_int_equal(ask(KEEP_MS, 0, false), STANDING_REVOKED);
    assert_int_equal(atomic_load(&segment.daemon->ocsp_good), 8);
    assert_int_equal(atomic_load(&segment.daemon->ocsp_revoked), 1);
    assert_int_equal(atomic_load(&segment.daemon->ocsp_failed), 0);
    assert_int_equal(atomic_load(&responder.n_asked), 9);
}

static void what_is_too_old_is_not_good(void **state)
{
    (void)state;
    apply(true);
    say(V_OCSP_CERTSTATUS_GOOD, (int64_t)time(NULL) - 60);
    assert_int_equal(ask(KEEP_MS, 0, true), STANDING_UNANSWERED);
    say(V_OCSP_CERTSTATUS_REVOKED,
        (int64_t)time(NULL) - 60); /* against somebody it still speaks */
    assert_int_equal(ask(KEEP_MS, 0, true), STANDING_REVOKED);
    assert_int_equal(ask(KEEP_MS, CLOCK_NS_PER_S, false),
                     STANDING_UNASKED); /* asked about anew */
    say(V_OCSP_CERTSTATUS_UNKNOWN, (int64_t)time(NULL) + HOUR_S);
    assert_int_equal(ask(KEEP_MS, 0, true), STANDING_UNANSWERED);
    say(V_OCSP_CERTSTATUS_GOOD, (int64_t)time(NULL) + HOUR_S);
    assert_int_equal(ask(KEEP_MS, 0, true),
                     STANDING_GOOD); /* who knows not one is asked all the same */
}

static void who_does_not_answer_is_left_alone(void **state)
{
    (void)state;
    apply(true);
    responder.length = 0;
    uint64_t failed_ns = clock_now_ns();
    assert_int_equal(ask(KEEP_MS, 0, true), STANDING_UNANSWERED);
    int n_asked = atomic_load(&responder.n_asked);
    say(V_OCSP_CERTSTATUS_GOOD, (int64_t)time(NULL) + HOUR_S);
    uint64_t began_ns = clock_now_ns();
    enum standing standing = ask(KEEP_MS, 0, true);
    if (clock_now_ns() - began_ns < CLOCK_NS_PER_S / 2) { /* else this machine was busy */
        assert_int_equal(standing, STANDING_UNANSWERED);
        assert_int_equal(atomic_load(&responder.n_asked), n_asked);
    }
    while (standing != STANDING_GOOD && clock_now_ns() - began_ns < PATIENCE_S * CLOCK_NS_PER_S)
        standing = ask(KEEP_MS, 0, true);
    assert_int_equal(standing, STANDING_GOOD);
    assert_int_equal(atomic_load(&responder.n_asked), n_asked + 1);
    assert_true(clock_now_ns() - failed_ns >= CLOCK_NS_PER_S);
}

static bool is_rung(void)
{
    uint64_t n;
    return read(bells.fds[0], &n, sizeof n) == (ssize_t)sizeof n;
}

/* Questions of before are kept until it is known whether somebody may ask; who waits is told to ask anew. */
static void the_configuration_decides(void **state)
{
    (void)state;
    leave(responder.url, KEEP_MS);
    ev_run(loop, EVRUN_NOWAIT);
    asker_look(asker);
    assert_false(is_rung());
    apply(true);
    assert_true(is_rung());
    uint64_t before = said_so_often();
    asker_look(asker); /* its bell has rung in vain */
    run_until_said(before);
    assert_true(is_rung());
    assert_int_equal(standing_get(segment.standings, query.key, clock_now_ns(), UINT64_MAX),
                     STANDING_GOOD);
    apply(false);
    assert_false(is_rung());
    leave(responder.url, KEEP_MS);
    before = said_so_often();
    ev_run(loop, EVRUN_NOWAIT);
    asker_look(asker);
    assert_int_equal(said_so_often(), before);
    assert_int_equal(atomic_load(&responder.n_asked), 1);
    assert_false(questions_take(segment.questions, &(struct question){0}, false));
}

/* The same that is under way already is not asked again. */
static void a_crowd_is_one_question(void **state)
{
    (void)state;
    apply(true);
    uint64_t before = said_so_often();
    for (int i = 0; i < QUESTIONS_MOST; i++)
        leave(responder.url, KEEP_MS);
    run_until_said(before);
    assert_int_equal(atomic_load(&responder.n_asked), 1);
}

static void who_cannot_be_asked_about_is_unanswered(void **state)
{
    (void)state;
    unsigned char key[STANDING_KEY_BYTES];
    apply(true);
    uint64_t before = said_so_often();
    leave("", KEEP_MS); /* the certificate names nobody */
    run_until_said(before);
    assert_true(query_read("", chain.at, chain.length, key));
    assert_int_equal(standing_get(segment.standings, key, clock_now_ns(), UINT64_MAX),
                     STANDING_UNANSWERED);
    assert_int_equal(atomic_load(&segment.daemon->ocsp_failed), 1);
    assert_int_equal(atomic_load(&responder.n_asked), 0);
}

#define WITH_ASKER(test) cmocka_unit_test_setup_teardown(test, open_asker, close_asker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ASKER(what_is_said_holds_no_longer_than_it_may),
        WITH_ASKER(what_is_too_old_is_not_good),
        WITH_ASKER(who_does_not_answer_is_left_alone),
        WITH_ASKER(the_configuration_decides),
        WITH_ASKER(a_crowd_is_one_question),
        WITH_ASKER(who_cannot_be_asked_about_is_unanswered),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

/* SPDX-License-Identifier: MIT */
/* Tests of running probes of every kind against hosts on loopback. */
#include "director/prober.h"

#include "cert_rig.h"
#include "host_rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "tls/client.h"

#define TEXT(string)                                                                           \
    {                                                                                          \
        .bytes = (const unsigned char *)(string), .length = sizeof(string) - 1                 \
    }

enum { TIMEOUT_MS = 10000, SHORT_MS = 150 };

/* What came of the errands of one test. */
struct rig {
    struct ev_loop *loop;
    struct prober prober;
    int n_done, n_good, n_wanted;
    enum probe_verdict verdict;
    uint64_t took_ns;
    char reason[HOST_REASON_BYTES];
    struct errand errand;
};

static struct rig rig;

static void on_done(struct errand *errand, enum probe_verdict verdict, uint64_t took_ns)
{
    rig.verdict = verdict;
    rig.took_ns = took_ns;
    memcpy(rig.reason, errand->probe.reason, sizeof rig.reason);
    rig.n_good += verdict == PROBE_GOOD;
    if (++rig.n_done == rig.n_wanted)
        ev_break(rig.loop, EVBREAK_ALL);
}

static int open_rig(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    rig = (struct rig){.loop = ev_loop_new(EVFLAG_NOENV), .n_wanted = 1};
    prober_init(&rig.prober, rig.loop, on_done, 0);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    prober_cancel(&rig.errand);
    assert_int_equal(rig.prober.n_running, 0);
    ev_loop_destroy(rig.loop);
    return 0;
}

static void run_check(const struct model_check *check, const struct addr *address,
                      int64_t timeout_ms)
{
    const struct probe_task task = {.address = address, .check = check, .name = ""};
    rig.n_wanted = rig.n_done + 1;
    prober_send(&rig.prober, &rig.errand, &task, timeout_ms);
    if (rig.n_done < rig.n_wanted)
        ev_run(rig.loop, 0);
}

/* Lets a probe that has its verdict end. */
static void run_to_end(void)
{
    while (rig.errand.is_running)
        ev_run(rig.loop, EVRUN_ONCE);
}

static void expect_bad(const char *reason)
{
    assert_int_equal(rig.verdict, PROBE_BAD);
    assert_string_equal(rig.reason, reason);
}

static const struct model_check tcp = {.kind = CHECK_TCP}, http = {.kind = CHECK_HTTP,
                                                                   .method = "GET",
                                                                   .path = "/health",
                                                                   .status_least = 200,
                                                                   .status_most = 399};
static struct model_text ping[] = {TEXT("PING\r\n")}, pong[] = {TEXT("+PONG\r\n")};
static struct model_step redis_steps[] = {{.texts = ping, .n_texts = 1},
                                          {.is_expect = true, .texts = pong, .n_texts = 1}};
static const struct model_check redis = {
    .kind = CHECK_TALK, .steps = redis_steps, .n_steps = 2};

/* ---- connecting ---- */

static void tcp_is_good_and_ends_with_a_fin(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    run_check(&tcp, &host.address, TIMEOUT_MS);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    run_to_end();
    assert_int_equal(host_wait_end(&host, 1), ENDED_BY_FIN);
    host_close(&host);
}

static void a_host_that_speaks_first_sees_a_fin_too(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_say, "220 mail.example ESMTP ready\r\n");
    for (int i = 1; i <= 50; i++) {
        run_check(&tcp, &host.address, TIMEOUT_MS);
        assert_int_equal(rig.verdict, PROBE_GOOD);
        run_to_end();
        assert_int_equal(host_wait_end(&host, i), ENDED_BY_FIN);
    }
    host_close(&host);
}

static void a_refused_connection_is_named(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    run_check(&tcp, &address, TIMEOUT_MS);
    expect_bad("connect: Connection refused");
    assert_false(rig.errand.is_running);
    close(fd);
}

static void want_of_descriptors_is_no_fault_of_the_host(void **state)
{
    (void)state;
    struct rlimit before;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_check(&tcp, &host.address, TIMEOUT_MS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rig.verdict, PROBE_SHORTAGE);
    assert_string_equal(rig.reason, "connect: Too many open files");
    host_close(&host);
}

/* A listener with a full queue: further SYNs are dropped. */
static void a_black_hole_fails_at_the_deadline(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address), fill = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(connect(fill, &address.any, address.length), 0);
    run_check(&tcp, &address, SHORT_MS);
    expect_bad("no connection within 150ms");
    assert_true(rig.took_ns >= SHORT_MS * CLOCK_NS_PER_MS);
    close(fill);
    close(fd);
}

/* ---- http ---- */

static void http_asks_politely_and_takes_the_statuses_that_are_wanted(void **state)
{
    (void)state;
    struct host_rig host;
    char request[512], address[ADDR_TEXT_BYTES];
    host_open(&host, script_answer, "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nbody");
    run_check(&http, &host.address, TIMEOUT_MS);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    run_to_end();
    assert_int_equal(host_wait_end(&host, 1), ENDED_BY_FIN);
    snprintf(request, sizeof request,
             "GET /health HTTP/1.1\r\nHost: %s\r\nUser-Agent: gaidaros\r\nAccept: */*\r\n"
             "Connection: close\r\n\r\n",
             addr_print(address, &host.address));
    assert_string_equal(host.heard, request);
    host_close(&host);
}

static void expect_http(const char *answer, const char *reason)
{
    struct host_rig host;
    host_open(&host, script_answer, answer);
    run_check(&http, &host.address, TIMEOUT_MS);
    if (reason == NULL)
        assert_int_equal(rig.verdict, PROBE_GOOD);
    else
        expect_bad(reason);
    prober_cancel(&rig.errand);
    host_close(&host);
}

static void http_names_what_is_wrong(void **state)
{
    (void)state;
    expect_http("HTTP/1.1 399 x\r\n\r\n", NULL);
    expect_http("HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP status 503");
    expect_http("HTTP/1.1 400 x\r\n\r\n", "HTTP status 400");
    expect_http("HTTP/1.1 101 x\r\n\r\n", "HTTP status 101");
    expect_http("+OK\r\n", "HTTP: the answer is no HTTP/1");
    expect_http("HTTP/1.1 abc\r\n\r\n", "HTTP: the status line is broken");
    expect_http("HTTP/1.1 200 OK\r\nA: b",
                "HTTP: closed by the host before the end of the headers");
    expect_http("", "HTTP: closed by the host before the end of the headers");
}

/* Sends junk until nobody wants it. */
static void script_endless(struct host_rig *host, int fd)
{
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    (void)!send(fd, host->argument, strlen(host->argument), MSG_NOSIGNAL);
    while (send(fd, junk, sizeof junk, MSG_NOSIGNAL) > 0)
        ;
}

static void an_endless_answer_is_read_to_sixteen_kib(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_endless, "HTTP/1.1 200 OK\r\nX: ");
    run_check(&http, &host.address, TIMEOUT_MS);
    expect_bad("HTTP: no end of the headers within 16 KiB");
    prober_cancel(&rig.errand);
    host_close(&host);
    host_open(&host, script_endless, "HTTP/1.1 200 OK\r\n\r\n");
    run_check(&http, &host.address, TIMEOUT_MS);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    run_to_end();
    host_wait_end(&host, 1);
    host_close(&host);
}

/* ---- time ---- */

static void silence_fails_at_the_deadline(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    const struct model_check *const checks[] = {&http, &redis};
    for (size_t i = 0; i < 2; i++) {
        run_check(checks[i], &host.address, SHORT_MS);
        expect_bad("no answer within 150ms");
        assert_true(rig.took_ns >= SHORT_MS * CLOCK_NS_PER_MS);
        assert_false(rig.errand.is_running);
        host_wait_end(&host, (int)i + 1);
    }
    host_close(&host);
}

static void script_drip(struct host_rig *host, int fd)
{
    (void)host;
    while (send(fd, "H", 1, MSG_NOSIGNAL) == 1)
        poll(NULL, 0, SHORT_MS / 10);
}

static void a_drip_does_not_put_the_deadline_off(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_drip, NULL);
    run_check(&redis, &host.address, SHORT_MS);
    assert_int_equal(rig.verdict, PROBE_BAD);
    assert_memory_equal(rig.reason, "expected \"+PONG\\r\\n\", got \"HH", 29);
    assert_true(rig.took_ns >= SHORT_MS * CLOCK_NS_PER_MS);
    host_wait_end(&host, 1);
    host_close(&host);
}

static void a_status_counts_though_the_headers_never_end(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_say, "HTTP/1.1 503 no\r\nX: ");
    run_check(&http, &host.address, SHORT_MS);
    expect_bad("HTTP status 503");
    host_wait_end(&host, 1);
    host_close(&host);
}

/* The loop slept through the deadline, though the answer had come. */
static void what_has_come_counts_however_late_we_look(void **state)
{
    (void)state;
    struct host_rig host;
    const struct probe_task task = {.check = &redis, .name = "", .address = &host.address};
    host_open(&host, script_say, "+PONG\r\n");
    rig.n_wanted = -1;
    prober_send(&rig.prober, &rig.errand, &task, SHORT_MS);
    while (rig.n_done == 0 && rig.errand.probe.phase == PROBE_CONNECTS)
        ev_run(rig.loop, EVRUN_ONCE);
    poll(NULL, 0, SHORT_MS + 50);
    while (rig.n_done == 0)
        ev_run(rig.loop, EVRUN_ONCE);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    prober_cancel(&rig.errand);
    host_close(&host);
}

static void a_process_that_was_held_up_blames_nobody(void **state)
{
    (void)state;
    struct host_rig host;
    const struct probe_task task = {.check = &redis, .name = "", .address = &host.address};
    host_open(&host, NULL, NULL);
    prober_send(&rig.prober, &rig.errand, &task, SHORT_MS);
    poll(NULL, 0, SHORT_MS + 600);
    ev_run(rig.loop, 0);
    assert_int_equal(rig.verdict, PROBE_SHORTAGE);
    prober_cancel(&rig.errand);
    host_close(&host);
}

/* ---- send and expect ---- */

static void script_redis(struct host_rig *host, int fd)
{
    char got[6] = "";
    if (recv(fd, got, sizeof got, MSG_WAITALL) == 6 && memcmp(got, "PING\r\n", 6) == 0)
        script_say(host, fd);
}

static void expect_gets_what_it_wants(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_redis, "+PONG\r\n");
    run_check(&redis, &host.address, TIMEOUT_MS);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    run_to_end();
    assert_int_equal(host_wait_end(&host, 1), ENDED_BY_FIN);
    host_close(&host);
}

static void expect_says_what_it_got(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_redis, "-LOADING data\r\n");
    run_check(&redis, &host.address, SHORT_MS);
    expect_bad("expected \"+PONG\\r\\n\", got \"-LOADING data\\r\\n\"");
    host_close(&host);
    host_open(&host, script_endless, "-ERR");
    run_check(&redis, &host.address, TIMEOUT_MS);
    assert_memory_equal(rig.reason, "expected \"+PONG\\r\\n\", got \"-ERRxx", 33);
    prober_cancel(&rig.errand);
    host_close(&host);
}

static void script_end(struct host_rig *host, int fd)
{
    (void)host;
    shutdown(fd, SHUT_WR);
}

static void expect_tells_that_the_host_closed(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, script_end, NULL);
    run_check(&redis, &host.address, TIMEOUT_MS);
    expect_bad("closed by the host");
    run_to_end();
    host_close(&host);
}

/* ---- tls ---- */

static void script_tls(struct host_rig *host, int fd)
{
    char byte;
    SSL_CTX *context = cert_serve(host->argument);
    SSL *server = SSL_new(context);
    SSL_set_fd(server, fd);
    if (SSL_accept(server) == 1) {
        (void)SSL_read(server, &byte, 1);
        host->n_heard = (SSL_get_shutdown(server) & SSL_RECEIVED_SHUTDOWN) != 0;
    }
    SSL_free(server);
    SSL_CTX_free(context);
    ERR_clear_error();
}

static void run_tls(struct host_rig *host, const struct tls_trust *trust, const char *name)
{
    static const struct model_check tls = {.kind = CHECK_TLS};
    const struct probe_task task = {
        .address = &host->address, .check = &tls, .trust = trust, .name = "", .tls_name = name};
    rig.n_wanted = rig.n_done + 1;
    prober_send(&rig.prober, &rig.errand, &task, TIMEOUT_MS);
    ev_run(rig.loop, 0);
    run_to_end();
    host_wait_end(host, 1);
}

static void tls_shakes_hands_and_says_goodbye(void **state)
{
    (void)state;
    char why[TLS_REASON_BYTES];
    struct host_rig host;
    struct cert cert = cert_new("app", "DNS:app.example", 10, NULL);
    static unsigned char ca[4096];
    struct tls_trust *trust = tls_trust_new(ca, cert_print(&cert, ca, 0, sizeof ca), why);
    assert_non_null(trust);
    host_open(&host, script_tls, &cert);
    run_tls(&host, trust, "app.example");
    assert_int_equal(rig.verdict, PROBE_GOOD);
    assert_int_equal(host.n_heard, 1);
    assert_int_equal(atomic_load(&host.last_end), ENDED_BY_FIN);
    host_close(&host);
    host_open(&host, script_tls, &cert);
    run_tls(&host, trust, "other.example");
    expect_bad("certificate is for another name");
    host_close(&host);
    host_open(&host, script_answer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    static const struct model_check tls = {.kind = CHECK_TLS};
    const struct probe_task task = {
        .address = &host.address, .check = &tls, .trust = trust, .name = "", .tls_name = ""};
    rig.n_wanted = rig.n_done + 1;
    prober_send(&rig.prober, &rig.errand, &task, 300);
    ev_run(rig.loop, 0);
    assert_int_equal(rig.verdict,
                     PROBE_BAD); /* a plain server that waits for more of a request */
    prober_cancel(&rig.errand);
    host_close(&host);
    tls_trust_free(trust);
    cert_free(&cert);
}

/* ---- many ---- */

static int count_descriptors(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void script_reset(struct host_rig *host, int fd)
{
    (void)host;
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(fd, SHUT_RD);
}

static void failures_leave_no_descriptor_behind(void **state)
{
    (void)state;
    enum { ROUNDS = 500 };
    struct addr closed;
    struct host_rig host;
    int fd = host_bind(&closed);
    host_open(&host, script_reset, NULL);
    run_check(&redis, &host.address, 5);
    run_to_end();
    int before = count_descriptors();
    for (int i = 0; i < ROUNDS; i++) {
        run_check(&redis, i % 2 == 0 ? &closed : &host.address, 5);
        assert_int_not_equal(rig.verdict, PROBE_GOOD);
        run_to_end();
    }
    host_wait_end(&host, ROUNDS / 2 + 1);
    assert_true(count_descriptors() <= before + 1); /* the host's last one */
    host_close(&host);
    close(fd);
}

static void so_many_run_at_once_and_the_others_wait(void **state)
{
    (void)state;
    enum { ERRANDS = 20, AT_ONCE = 3 };
    static struct errand errands[ERRANDS];
    struct host_rig host;
    struct addr closed;
    int fd = host_bind(&closed);
    host_open(&host, script_say, "+PONG\r\n");
    prober_init(&rig.prober, rig.loop, on_done, AT_ONCE);
    rig.n_wanted = ERRANDS;
    for (size_t i = 0; i < ERRANDS; i++) {
        const struct probe_task task = {
            .address = i % 5 == 4 ? &closed : &host.address, .check = &redis, .name = ""};
        prober_send(&rig.prober, &errands[i], &task, TIMEOUT_MS);
        assert_true(rig.prober.n_running <= AT_ONCE);
    }
    prober_cancel(&errands[9]); /* while it waits */
    rig.n_wanted--;
    while (rig.n_done < rig.n_wanted) {
        ev_run(rig.loop, EVRUN_ONCE);
        assert_true(rig.prober.n_running <= AT_ONCE);
    }
    assert_int_equal(rig.n_good, ERRANDS / 5 * 4);
    for (size_t i = 0; i < ERRANDS; i++)
        prober_cancel(&errands[i]);
    host_close(&host);
    close(fd);
}

static void what_is_held_waits(void **state)
{
    (void)state;
    struct host_rig host;
    const struct probe_task task = {.check = &tcp, .name = "", .address = &host.address};
    host_open(&host, NULL, NULL);
    prober_hold(&rig.prober);
    prober_send(&rig.prober, &rig.errand, &task, TIMEOUT_MS);
    ev_run(rig.loop, EVRUN_NOWAIT);
    assert_false(rig.errand.is_running);
    prober_go_on(&rig.prober);
    ev_run(rig.loop, 0);
    assert_int_equal(rig.verdict, PROBE_GOOD);
    prober_cancel(&rig.errand);
    host_close(&host);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tcp_is_good_and_ends_with_a_fin),
        TEST(a_host_that_speaks_first_sees_a_fin_too),
        TEST(a_refused_connection_is_named),
        TEST(want_of_descriptors_is_no_fault_of_the_host),
        TEST(a_black_hole_fails_at_the_deadline),
        TEST(http_asks_politely_and_takes_the_statuses_that_are_wanted),
        TEST(http_names_what_is_wrong),
        TEST(an_endless_answer_is_read_to_sixteen_kib),
        TEST(silence_fails_at_the_deadline),
        TEST(a_drip_does_not_put_the_deadline_off),
        TEST(a_status_counts_though_the_headers_never_end),
        TEST(what_has_come_counts_however_late_we_look),
        TEST(a_process_that_was_held_up_blames_nobody),
        TEST(expect_gets_what_it_wants),
        TEST(expect_says_what_it_got),
        TEST(expect_tells_that_the_host_closed),
        TEST(tls_shakes_hands_and_says_goodbye),
        TEST(failures_leave_no_descriptor_behind),
        TEST(so_many_run_at_once_and_the_others_wait),
        TEST(what_is_held_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

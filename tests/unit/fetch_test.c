/* SPDX-License-Identifier: MIT */
/* Promises of tls/fetch: one transfer, bounded in bytes and time, by http:// alone. */
#include "tls/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, DER_BYTES = 20004 /* with the four of its head */ };

#define LIST_TYPE "application/pkix-crl"
#define OK_HEAD "HTTP/1.0 200 OK\r\nContent-Type: " LIST_TYPE "\r\n\r\n"
#define DER "\x30\x03\x02\x01\x05"

/* What the server answers, connection after connection; one that is NULL is silence until the client leaves. */
struct server {
    pthread_t thread;
    int fd;
    uint16_t port;
    const char *const *answers;
    size_t n_answers; /* the last is for all that come later */
    const char *body; /* goes behind each answer */
    size_t body_length;
    char requests[MOST];     /* the last one */
    size_t n_bytes, n_asked; /* of the last one; connections */
};

static size_t find_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");
    return line != NULL ? strtoul(line + 17, NULL, 10) : 0;
}

static void read_request(struct server *server, int fd)
{
    server->n_bytes = 0;
    memset(server->requests, 0, sizeof server->requests);
    for (;;) {
        const char *end = strstr(server->requests, "\r\n\r\n");
        if (end != NULL && server->n_bytes >= (size_t)(end + 4 - server->requests) +
                                                  find_length(server->requests))
            return;
        ssize_t n = read(fd, server->requests + server->n_bytes, MOST - 1 - server->n_bytes);
        if (n <= 0)
            return;
        server->n_bytes += (size_t)n;
    }
}

static void write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the client has heard enough */
        bytes += n;
        length -= (size_t)n;
    }
}

static void *serve(void *argument)
{
    struct server *server = argument;
    int fd;
    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        size_t last = server->n_answers - 1;
        const char *answer = server->answers[server->n_asked < last ? server->n_asked : last];
        server->n_asked++;
        read_request(server, fd);
        if (answer != NULL) {
            write_all(fd, answer, strlen(answer));
            write_all(fd, server->body, server->body_length);
        } else {
            char byte;
            while (read(fd, &byte, 1) > 0)
                ;
        }
        close(fd);
    }
    return NULL;
}

static void open_server(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    server->n_asked = 0;
}

static void close_server(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR); /* ends accept */
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* What came of one order; its answer is to be freed. */
struct outcome {
    bool is_fetched;
    struct fetch_answer answer;
    char reason[TLS_REASON_BYTES];
};

/* Sends the order to the server, opened; its url is filled in where it has none. */
static void run(struct server *server, struct fetch_order order, struct outcome *outcome)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/list", server->port);
    if (order.url == NULL)
        order.url = url;
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    *outcome = (struct outcome){.reason = ""};
    outcome->is_fetched = fetch_run(&order, &outcome->answer, outcome->reason);
    close_server(server);
}

static struct fetch_order plain_order(void)
{
    return (struct fetch_order){.wanted_type = LIST_TYPE, .most_bytes = MOST, .most_s = 20};
}

static void assert_fetched(struct outcome *outcome, const char *bytes, size_t length)
{
    if (!outcome->is_fetched)
        fail_msg("%s", outcome->reason);
    assert_int_equal(outcome->answer.length, length);
    assert_memory_equal(outcome->answer.bytes, bytes, length);
    fetch_answer_fini(&outcome->answer);
    assert_null(outcome->answer.bytes);
}

/* The server gives this one answer to a GET. says: of the reason; NULL: it must be fetched */
static void assert_answer(const char *answer, const char *body, size_t length, const char *says)
{
    static struct server server;
    struct outcome outcome;
    server = (struct server){
        .answers = &answer, .n_answers = 1, .body = body, .body_length = length};
    open_server(&server);
    run(&server, plain_order(), &outcome);
    assert_int_equal(server.n_asked, 1);
    if (says == NULL) {
        assert_fetched(&outcome, body, length);
        return;
    }
    assert_false(outcome.is_fetched);
    assert_null(outcome.answer.bytes);
    if (strcasestr(outcome.reason, says) == NULL)
        fail_msg("not %s but %s", says, outcome.reason);
}

static char *make_large(void)
{
    char *bytes = calloc(1, DER_BYTES + 1);
    const size_t rest = DER_BYTES - 4;
    const unsigned char head[] = {0x30, 0x82, (unsigned char)(rest >> 8),
                                  (unsigned char)(rest & 0xff)};
    memcpy(bytes, head, sizeof head);
    return bytes;
}

static void a_good_answer_is_fetched(void **state)
{
    (void)state;
    char *large = make_large();
    assert_answer(OK_HEAD, DER, 5, NULL);
    assert_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-type: " LIST_TYPE
                  "\r\nX: y\r\n\r\n",
                  DER, 5, NULL);
    assert_answer(OK_HEAD, large, DER_BYTES, NULL);
    free(large);
}

static void what_was_not_asked_for_is_refused(void **state)
{
    (void)state;
    assert_answer("HTTP/1.0 404 Not Found\r\n\r\n", "", 0, "404");
    assert_answer("HTTP/1.0 500 Oops\r\nContent-Type: " LIST_TYPE "\r\n\r\n", DER, 5, "500");
    assert_answer("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n", DER, 5, "content type");
    assert_answer(OK_HEAD, "<html>", 6, "");
    assert_answer(OK_HEAD, "", 0, "");
    assert_answer(OK_HEAD, DER, 4, ""); /* it hangs up before the end */
    assert_answer("HTTP/1.0 200", "", 0, "");
    assert_answer("", "", 0, "");
    assert_answer("SSH-2.0-OpenSSH\r\n", "", 0, "");
}

static void the_type_may_be_any(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n",
                                          "HTTP/1.0 200 OK\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        static struct server server;
        struct outcome outcome;
        struct fetch_order order = plain_order();
        order.wanted_type = NULL;
        server = (struct server){
            .answers = &answers[i], .n_answers = 1, .body = DER, .body_length = 5};
        open_server(&server);
        run(&server, order, &outcome);
        assert_fetched(&outcome, DER, 5);
    }
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    static const char *const answers[] = {
        OK_HEAD,
        "HTTP/1.0 200 OK\r\nContent-Length: 20004\r\nContent-Type: " LIST_TYPE "\r\n\r\n"};
    char *large = make_large();
    for (size_t i = 0; i < 4; i++) {
        static struct server server;
        struct outcome outcome;
        struct fetch_order order = plain_order();
        order.most_bytes = DER_BYTES - i / 2;
        server = (struct server){.answers = &answers[i % 2],
                                 .n_answers = 1,
                                 .body = large,
                                 .body_length = DER_BYTES};
        open_server(&server);
        run(&server, order, &outcome);
        if (i < 2) {
            assert_fetched(&outcome, large, DER_BYTES);
        } else {
            assert_false(outcome.is_fetched);
            assert_null(outcome.answer.bytes);
            assert_true(outcome.reason[0] != '\0');
        }
    }
    free(large);
}

/* Words of a server are shown to people: no byte of them may do harm. */
static void reasons_are_printable(void **state)
{
    (void)state;
    static struct server server;
    static const char *const answers[] = {"HTTP/1.0 404 \x1b[31m\x07\xff\r\n\r\n"};
    struct outcome outcome;
    server = (struct server){.answers = answers, .n_answers = 1};
    open_server(&server);
    run(&server, plain_order(), &outcome);
    assert_false(outcome.is_fetched);
    assert_true(outcome.reason[0] != '\0');
    for (const char *c = outcome.reason; *c != '\0'; c++)
        assert_in_range(*c, ' ', '~');
}

/* ---- redirections ---- */

/* The first answer sends the client to /other of the same server by this scheme. Returns how often it asked. */
static size_t redirect(const char *scheme, struct outcome *outcome)
{
    static struct server server;
    static char first[256];
    static const char *const answers[] = {first, OK_HEAD DER};
    server = (struct server){.answers = answers, .n_answers = 2};
    open_server(&server);
    snprintf(first, sizeof first,
             "HTTP/1.1 302 Found\r\nLocation: %s127.0.0.1:%d/other\r\n\r\n", scheme,
             server.port);
    run(&server, plain_order(), outcome);
    if (outcome->is_fetched)
        assert_non_null(strstr(server.requests, "GET /other HTTP/1."));
    return server.n_asked;
}

static void a_redirection_is_followed_to_http(void **state)
{
    (void)state;
    struct outcome outcome;
    assert_int_equal(redirect("http://", &outcome), 2);
    assert_fetched(&outcome, DER, 5);
}

static void a_redirection_elsewhere_is_refused(void **state)
{
    (void)state;
    struct outcome outcome;
    static const char *const schemes[] = {"https://", "ftp://", "file://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n_asked = redirect(schemes[i], &outcome);
        assert_false(outcome.is_fetched);
        assert_true(outcome.reason[0] != '\0');
        assert_int_equal(n_asked, 1);
    }
}

static void redirections_in_a_circle_end(void **state)
{
    (void)state;
    static struct server server;
    static char again[256];
    static const char *const answers[] = {again};
    struct outcome outcome;
    server = (struct server){.answers = answers, .n_answers = 1};
    open_server(&server);
    snprintf(again, sizeof again,
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/again\r\n\r\n", server.port);
    run(&server, plain_order(), &outcome);
    assert_false(outcome.is_fetched);
    assert_true(outcome.reason[0] != '\0');
    assert_in_range(server.n_asked, 2, 100);
}

/* ---- time, other ends ---- */

static void a_silent_server_is_left_in_time(void **state)
{
    (void)state;
    static struct server server;
    static const char *const answers[] = {NULL};
    struct outcome outcome;
    struct timespec began, ended;
    struct fetch_order order = plain_order();
    order.most_s = 1;
    server = (struct server){.answers = answers, .n_answers = 1};
    open_server(&server);
    clock_gettime(CLOCK_MONOTONIC, &began);
    run(&server, order, &outcome);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_false(outcome.is_fetched);
    assert_string_equal(outcome.reason, "no whole answer within 1 s");
    assert_in_range(ended.tv_sec - began.tv_sec, 0, 5);
}

static void a_closed_port_is_told(void **state)
{
    (void)state;
    static struct server server;
    struct fetch_answer answer;
    char reason[TLS_REASON_BYTES] = "", url[64];
    struct fetch_order order = plain_order();
    open_server(&server);
    close(server.fd); /* the port is nobody's now */
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    order.url = url;
    order.most_s = 1;
    assert_false(fetch_run(&order, &answer, reason));
    assert_null(answer.bytes);
    assert_true(reason[0] != '\0');
}

static void other_schemes_are_refused(void **state)
{
    (void)state;
    static const char *const answers[] = {OK_HEAD DER};
    static const char *const schemes[] = {"https", "ftp"};
    static const unsigned char posted[] = "x";
    for (size_t i = 0; i < 4; i++) {
        static struct server server;
        struct outcome outcome;
        struct fetch_order order = plain_order();
        char url[64];
        server = (struct server){.answers = answers, .n_answers = 1};
        open_server(&server);
        snprintf(url, sizeof url, "%s://127.0.0.1:%d/", schemes[i % 2], server.port);
        order.url = url;
        if (i >= 2) {
            order.posted = posted;
            order.posted_length = 1;
            order.posted_type = "text/plain";
        }
        run(&server, order, &outcome);
        assert_false(outcome.is_fetched);
        assert_true(outcome.reason[0] != '\0');
        assert_int_equal(server.n_bytes, 0);
    }
}

/* ---- what is sent ---- */

static void a_body_is_posted_with_its_type(void **state)
{
    (void)state;
    static struct server server;
    static const char *const answers[] = {
        "HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n" DER};
    static const char body[] = "a\0b\r\n\r\nc";
    struct outcome outcome;
    struct fetch_order order = plain_order();
    order.posted = (const unsigned char *)body;
    order.posted_length = sizeof body - 1;
    order.posted_type = "application/ocsp-request";
    order.wanted_type = "application/ocsp-response";
    server = (struct server){.answers = answers, .n_answers = 1};
    open_server(&server);
    run(&server, order, &outcome);
    assert_fetched(&outcome, DER, 5);
    assert_int_equal(strncmp(server.requests, "POST /list HTTP/1.", 18), 0);
    assert_non_null(
        strcasestr(server.requests, "\r\nContent-Type: application/ocsp-request\r\n"));
    const char *sent = strstr(server.requests, "\r\n\r\n") + 4;
    assert_int_equal(server.requests + server.n_bytes - sent, sizeof body - 1);
    assert_memory_equal(sent, body, sizeof body - 1);
}

static void a_get_names_path_and_host(void **state)
{
    (void)state;
    static struct server server;
    static const char *const answers[] = {OK_HEAD DER};
    struct outcome outcome;
    struct fetch_order order = plain_order();
    char url[64];
    server = (struct server){.answers = answers, .n_answers = 1};
    open_server(&server);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a/b.crl?c=d%%20e", server.port);
    order.url = url;
    run(&server, order, &outcome);
    assert_fetched(&outcome, DER, 5);
    assert_int_equal(strncmp(server.requests, "GET /a/b.crl?c=d%20e HTTP/1.", 28), 0);
    assert_non_null(strcasestr(server.requests, "\r\nHost: 127.0.0.1"));
}

static void a_proxy_is_asked_unless_it_is_not_for_the_host(void **state)
{
    (void)state;
    static const char *const answers[] = {OK_HEAD DER};
    for (int i = 0; i < 2; i++) {
        static struct server server;
        struct outcome outcome;
        struct fetch_order order = plain_order();
        char proxy[64];
        server = (struct server){.answers = answers, .n_answers = 1};
        open_server(&server);
        snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server.port);
        setenv("http_proxy", proxy, 1);
        setenv("no_proxy", i == 0 ? "other.example" : "127.0.0.2", 1);
        order.url = "http://127.0.0.2:1/list"; /* nobody listens there */
        order.most_s = i == 0 ? 20 : 1;
        run(&server, order, &outcome);
        unsetenv("http_proxy");
        unsetenv("no_proxy");
        if (i == 0) {
            assert_fetched(&outcome, DER, 5);
            assert_int_equal(strncmp(server.requests, "GET http://127.0.0.2:1/list ", 28), 0);
        } else {
            assert_false(outcome.is_fetched);
            assert_int_equal(server.n_asked, 0);
        }
    }
}

static int clear_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                        "HTTPS_PROXY", "no_proxy",   "NO_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR; /* as in the director */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_is_fetched),
        cmocka_unit_test(what_was_not_asked_for_is_refused),
        cmocka_unit_test(the_type_may_be_any),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(reasons_are_printable),
        cmocka_unit_test(a_redirection_is_followed_to_http),
        cmocka_unit_test(a_redirection_elsewhere_is_refused),
        cmocka_unit_test(redirections_in_a_circle_end),
        cmocka_unit_test(a_silent_server_is_left_in_time),
        cmocka_unit_test(a_closed_port_is_told),
        cmocka_unit_test(other_schemes_are_refused),
        cmocka_unit_test(a_body_is_posted_with_its_type),
        cmocka_unit_test(a_get_names_path_and_host),
        cmocka_unit_test(a_proxy_is_asked_unless_it_is_not_for_the_host),
    };
    return cmocka_run_group_tests(tests, clear_environment, NULL);
}

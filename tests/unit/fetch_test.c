/* SPDX-License-Identifier: MIT */
/* Promises of tls/fetch: what comes whole is given whole, all else ends in time, with a reason. */
#include "tls/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A server that gives every connection the same answer, and keeps the first bytes of what it was asked. */
struct server {
    int fd;
    const char *answer; /* NULL: nothing is ever said */
    size_t length;
    char asked[4096];
    int n_connections;
    pthread_t thread;
    char url[64];
};

static void serve_one(struct server *server, int client)
{
    struct pollfd wait = {.fd = client, .events = POLLIN};
    size_t length = 0;
    while (length + 1 < sizeof server->asked && poll(&wait, 1, 100) > 0) {
        ssize_t n = read(client, server->asked + length, sizeof server->asked - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    server->asked[length] = '\0';
    if (server->answer == NULL)
        (void)poll(&wait, 1, 20000); /* until the other side gives up */
    else
        (void)!write(client, server->answer, server->length);
}

static void *serve(void *argument)
{
    struct server *server = argument;
    for (;;) {
        int client = accept(server->fd, NULL, NULL);
        if (client < 0)
            return NULL;
        server->n_connections++;
        serve_one(server, client);
        close(client);
    }
}

static void server_start(struct server *server, const char *answer, size_t length)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    *server = (struct server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                              .answer = answer,
                              .length = length};
    assert_int_equal(bind(server->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&at, &bytes), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d/it", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* An answer whose body is a value in DER of so many bytes inside. */
static char *answer_new(const char *head, size_t inside, size_t *length)
{
    char *answer = malloc(inside + 512);
    int n =
        snprintf(answer, 512, "HTTP/1.0 200 OK\r\n%s\r\n%c%c%c%c%c%c", head, 0x30, 0x84,
                 (char)(inside >> 24), (char)(inside >> 16), (char)(inside >> 8), (char)inside);
    memset(answer + n, 'x', inside);
    *length = (size_t)n + inside;
    return answer;
}

static bool fetch(const struct server *server, struct fetch_order order, size_t *length,
                  char reason[TLS_REASON_BYTES])
{
    struct fetch_answer answer;
    reason[0] = '\0';
    order.url = server->url;
    bool is_fetched = fetch_run(&order, &answer, reason);
    *length = answer.length;
    assert_true(is_fetched == (answer.bytes != NULL));
    assert_true(is_fetched || reason[0] != '\0');
    fetch_answer_fini(&answer);
    return is_fetched;
}

static const struct fetch_order usual = {.most_bytes = 1 << 20, .most_s = 10};

static void gets_the_whole(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES];
    size_t length, got;
    char *answer =
        answer_new("", 300000, &length); /* beyond what some functions of OpenSSL take */
    server_start(&server, answer, length);
    if (!fetch(&server, usual, &got, reason))
        fail_msg("%s", reason);
    assert_int_equal(got, 300006);
    assert_memory_equal(server.asked, "GET /it HTTP/1.0\r\n", 18);
    server_stop(&server);
    free(answer);
}

static void posts(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES];
    size_t length, got;
    char *answer = answer_new("Content-Type: a/answer\r\n", 10, &length);
    struct fetch_order order = usual;
    order.posted = (const unsigned char *)"the question";
    order.posted_length = 12;
    order.posted_type = "a/question";
    order.wanted_type = "a/answer";
    server_start(&server, answer, length);
    if (!fetch(&server, order, &got, reason))
        fail_msg("%s", reason);
    assert_memory_equal(server.asked, "POST /it HTTP/1.0\r\n", 19);
    assert_non_null(strstr(server.asked, "Content-Type: a/question\r\n"));
    assert_non_null(strstr(server.asked, "\r\n\r\nthe question"));
    order.wanted_type = "another/one";
    assert_false(fetch(&server, order, &got, reason));
    server_stop(&server);
    free(answer);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.0 404 Not Found\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nno DER at all",
        "HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n\x30\x20half of it",
        "SSH-2.0-OpenSSH_9\r\n",
        "HTTP/1.0 302 Found\r\nLocation: https://127.0.0.1:1/\r\n\r\n",
        "HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
        "",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct server server;
        char reason[TLS_REASON_BYTES];
        size_t got;
        server_start(&server, answers[i], strlen(answers[i]));
        if (fetch(&server, usual, &got, reason))
            fail_msg("answer %zu was taken", i);
        for (const char *c = reason; *c != '\0'; c++)
            assert_in_range(*c, ' ', '~');
        server_stop(&server);
    }
}

static void bounds_bytes(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES];
    size_t length, got;
    char *answer = answer_new("", 300000, &length);
    struct fetch_order order = usual;
    order.most_bytes = 200000;
    server_start(&server, answer, length);
    assert_false(fetch(&server, order, &got, reason));
    server_stop(&server);
    free(answer);
}

static void bounds_time(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES];
    size_t got;
    struct fetch_order order = usual;
    order.most_s = 1;
    time_t began = time(NULL);
    server_start(&server, NULL, 0);
    assert_false(fetch(&server, order, &got, reason));
    assert_true(time(NULL) - began < 10);
    assert_string_equal(reason, "no whole answer within 1 s");
    server_stop(&server);
}

static void follows_no_circle(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES], answer[256] = "";
    size_t got;
    server_start(&server, answer, 0);
    snprintf(answer, sizeof answer, "HTTP/1.0 302 Found\r\nLocation: %s\r\n\r\n", server.url);
    server.length = strlen(answer);
    assert_false(fetch(&server, usual, &got, reason));
    assert_in_range(server.n_connections, 2, 100);
    server_stop(&server);
}

static void nobody_there(void **state)
{
    (void)state;
    struct server server;
    char reason[TLS_REASON_BYTES];
    size_t got;
    struct fetch_answer answer;
    struct fetch_order order = usual;
    order.most_s = 1; /* until then it is tried again */
    server_start(&server, "", 0);
    server_stop(&server);
    assert_false(fetch(&server, order, &got, reason));
    order.url = "https://127.0.0.1/";
    assert_false(fetch_run(&order, &answer, reason));
    order.url = "nothing";
    assert_false(fetch_run(&order, &answer, reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_the_whole),       cmocka_unit_test(posts),
        cmocka_unit_test(refuses_what_is_none), cmocka_unit_test(bounds_bytes),
        cmocka_unit_test(bounds_time),          cmocka_unit_test(follows_no_circle),
        cmocka_unit_test(nobody_there),
    };
    (void)unsetenv("http_proxy"); /* nobody is to stand between */
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}

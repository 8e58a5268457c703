/* SPDX-License-Identifier: MIT */
/* Tests of the doors, over real sockets. */
#include "admin/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ev.h>

#include "admin_rig.h"
#include "net/ask.h"

/* The loop serves on the test's thread while a client's script runs on another. */
struct rig {
    struct admin_rig *admin;
    struct ev_loop *loop;
    struct server *server;
    struct ev_async client_done;
    char folder[32], control[64], readonly[64];
    uint64_t ticket;
    bool answers_at_once;
};

static bool look(void *context, struct status *out)
{
    *out = ((struct rig *)context)->admin->status;
    return true;
}

static int reload(void *context, uint64_t ticket)
{
    ((struct rig *)context)->ticket = ticket;
    return 0;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void on_client_done(struct ev_loop *loop, struct ev_async *watch, int events)
{
    (void)watch;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static int open_rig(void **state)
{
    static struct rig rig;
    memset(&rig, 0, sizeof rig);
    void *admin;
    if (admin_rig_open(&admin) != 0)
        return -1;
    rig.admin = admin;
    snprintf(rig.folder, sizeof rig.folder, "/tmp/server.XXXXXX");
    if (mkdtemp(rig.folder) == NULL)
        return -1;
    snprintf(rig.control, sizeof rig.control, "%s/control", rig.folder);
    snprintf(rig.readonly, sizeof rig.readonly, "%s/readonly", rig.folder);
    rig.loop = ev_loop_new(EVFLAG_NOENV);
    const struct admin_actions actions = {.context = &rig, .look = look, .reload = reload};
    rig.server = server_new(rig.loop, &actions);
    ev_async_init(&rig.client_done, on_client_done);
    ev_async_start(rig.loop, &rig.client_done);
    *state = &rig;
    return server_open_door(rig.server, listen_at(rig.control), DOOR_CONTROL) != 0 ||
           server_open_door(rig.server, listen_at(rig.readonly), DOOR_HTTP) != 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    void *admin = rig->admin;
    server_free(rig->server);
    ev_loop_destroy(rig->loop);
    unlink(rig->control);
    unlink(rig->readonly);
    return rmdir(rig->folder) + admin_rig_close(&admin);
}

/* One request of a client's thread and what came of it. */
struct client {
    struct rig *rig;
    const char *socket, *method, *path, *body;
    const char *raw; /* in place of method, path and body */
    int result;
    struct ask_answer answer;
    struct text why;
};

/* Sends these bytes alone, reads to the end. */
static int exchange_raw(struct client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static char bytes[16384];
    size_t length = 0;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", client->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_sent = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   write(fd, client->raw, strlen(client->raw)) > 0;
    for (ssize_t n = 1; is_sent && n > 0 && length < sizeof bytes; length += (size_t)n) {
        n = read(fd, bytes + length, sizeof bytes - length);
        if (n < 0)
            break;
    }
    close(fd);
    return ask_parse(bytes, length, &client->answer);
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    client->result = client->raw != NULL ? exchange_raw(client)
                                         : ask(client->socket, client->method, client->path,
                                               client->body, &client->answer, &client->why);
    ev_async_send(client->rig->loop, &client->rig->client_done);
    return NULL;
}

/* Runs the loop until the client has its answer. */
static void serve(struct rig *rig, struct client *client)
{
    pthread_t thread;
    client->rig = rig;
    assert_int_equal(pthread_create(&thread, NULL, run_client, client), 0);
    ev_run(rig->loop, 0);
    pthread_join(thread, NULL);
    if (client->result != 0)
        fail_msg("%s", client->why.at);
}

static int get_status(struct rig *rig, const char *socket, const char *method, const char *path,
                      const char *body)
{
    struct client client = {.socket = socket, .method = method, .path = path, .body = body};
    serve(rig, &client);
    text_fini(&client.answer.body);
    return client.answer.status;
}

static void serves_the_same_on_both_doors(void **state)
{
    struct rig *rig = *state;
    const char *const doors[] = {rig->control, rig->readonly};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_status(rig, doors[i], "GET", "/healthz", NULL), 200);
        assert_int_equal(get_status(rig, doors[i], "GET", "/running.json", NULL), 200);
        assert_int_equal(get_status(rig, doors[i], "GET", "/nothing", NULL), 404);
        assert_int_equal(get_status(rig, doors[i], "GET", "/%72unning", NULL), 404);
        assert_int_equal(get_status(rig, doors[i], "DELETE", "/running", NULL), 405);
        assert_int_equal(get_status(rig, doors[i], "GET", "/api/reload", NULL), 405);
        assert_int_equal(get_status(rig, doors[i], "POST", "/running", "{}"), 405);
    }
}

static void only_the_control_socket_changes_things(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(get_status(rig, rig->readonly, "POST", "/api/reload", "{}"), 403);
    assert_int_equal(rig->ticket, 0);
    assert_int_equal(get_status(rig, rig->control, "POST", "/api/reload", "{\"a\":1}"), 400);
    assert_int_equal(rig->ticket, 0);
}

/* Answers the reload as soon as it was asked for, from the loop. */
static void on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    (void)loop;
    (void)events;
    struct rig *rig = check->data;
    if (rig->ticket == 0)
        return;
    server_answer(rig->server, rig->ticket + 1000, &(struct call_result){true, 0, 1, "wrong"});
    server_answer(rig->server, rig->ticket,
                  &(struct call_result){rig->answers_at_once, 0, 8, "file:1: bad"});
    rig->ticket = 0;
}

static void reload_waits_for_its_own_result(void **state)
{
    struct rig *rig = *state;
    struct ev_check check;
    ev_check_init(&check, on_check);
    check.data = rig;
    ev_check_start(rig->loop, &check);
    for (int is_ok = 0; is_ok < 2; is_ok++) {
        rig->answers_at_once = is_ok != 0;
        struct client client = {
            .socket = rig->control, .method = "POST", .path = "/api/reload", .body = "{}"};
        serve(rig, &client);
        assert_int_equal(client.answer.status, is_ok ? 200 : 409);
        assert_non_null(strstr(client.answer.body.at, "file:1: bad"));
        text_fini(&client.answer.body);
    }
    ev_check_stop(rig->loop, &check);
}

static int raw_status(struct rig *rig, const char *raw)
{
    struct client client = {.socket = rig->control, .raw = raw};
    serve(rig, &client);
    text_fini(&client.answer.body);
    return client.answer.status;
}

#define HEAD "POST /api/reload HTTP/1.1\r\nHost: x\r\n"

static void too_large_a_body_is_refused_before_it_comes(void **state)
{
    assert_int_equal(raw_status(*state, HEAD "Content-Length: 65537\r\n\r\n"), 413);
    assert_int_equal(raw_status(*state, HEAD "Content-Length: 9223372036854775808\r\n\r\n"),
                     413);
    assert_int_equal(((struct rig *)*state)->ticket, 0);
}

static void refuses_heads_that_two_readers_could_take_differently(void **state)
{
    static const char *const heads[] = {
        HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
        HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD "Transfer-Encoding: xchunked\r\n\r\n",
        HEAD "Transfer-Encoding: chunked, identity\r\n\r\n",
        HEAD "Host: y\r\n\r\n",
        "GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        assert_int_equal(raw_status(*state, heads[i]), 400);
    assert_int_equal(raw_status(*state, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505);
    assert_int_equal(((struct rig *)*state)->ticket, 0);
}

static void *ask_in_vain(void *argument)
{
    struct client *client = argument;
    client->result =
        ask(client->socket, "POST", "/api/reload", "{}", &client->answer, &client->why);
    return NULL;
}

static void on_asked(struct ev_loop *loop, struct ev_check *check, int events)
{
    (void)events;
    if (((struct rig *)check->data)->ticket != 0)
        ev_break(loop, EVBREAK_ALL);
}

/* Ending while a reload waits: libmicrohttpd would abort were the connection left suspended. */
static void ends_while_a_call_waits(void **state)
{
    struct rig *rig = *state;
    struct client client = {.rig = rig, .socket = rig->control};
    struct ev_check check;
    pthread_t thread;
    ev_check_init(&check, on_asked);
    check.data = rig;
    ev_check_start(rig->loop, &check);
    assert_int_equal(pthread_create(&thread, NULL, ask_in_vain, &client), 0);
    ev_run(rig->loop, 0);
    ev_check_stop(rig->loop, &check);
    server_free(rig->server);
    rig->server = NULL;
    pthread_join(thread, NULL);
    assert_true(client.result == -1 || client.answer.status == 503);
    text_fini(&client.answer.body);
    text_fini(&client.why);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(serves_the_same_on_both_doors),
        RIG_TEST(only_the_control_socket_changes_things),
        RIG_TEST(reload_waits_for_its_own_result),
        RIG_TEST(too_large_a_body_is_refused_before_it_comes),
        RIG_TEST(refuses_heads_that_two_readers_could_take_differently),
        RIG_TEST(ends_while_a_call_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

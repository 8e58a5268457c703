/* SPDX-License-Identifier: MIT */
/* One HTTP request: what is refused before its body, who may call, what the answer carries. */
#include "admin/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "admin_rig.h"

/* The test is libmicrohttpd: a connection is the headers that came on it, and what is queued. */
struct MHD_Connection {
    const char *const (*headers)[2]; /* ended by NULL */
    unsigned int status;             /* queued; 0 = nothing */
};

int MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                MHD_KeyValueIteratorN iterator, void *context)
{
    int n = 0;
    for (; connection->headers[n][0] != NULL; n++) {
        const char *name = connection->headers[n][0], *value = connection->headers[n][1];
        iterator(context, kind, name, strlen(name), value, strlen(value));
    }
    return n;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *connection,
                                        enum MHD_ValueKind kind, const char *key)
{
    (void)kind;
    for (int n = 0; connection->headers[n][0] != NULL; n++)
        if (strcasecmp(connection->headers[n][0], key) == 0)
            return connection->headers[n][1];
    return NULL;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType type, ...)
{
    (void)connection;
    (void)type;
    return NULL;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
                                   struct MHD_Response *response)
{
    (void)response;
    connection->status = status;
    return MHD_YES;
}

/* Headers as they came; each word brings its comma. */
#define HEADERS(...) ((const char *const[][2]){__VA_ARGS__{NULL, NULL}})
#define HOST {"Host", "localhost"},
#define JSON {"Content-Type", "application/json"},

/* The status at which a request with these headers is refused before its body; 0 = it is not. */
static unsigned int check(const char *const (*headers)[2], const char *path,
                          const char *version)
{
    struct MHD_Connection connection = {.headers = headers};
    struct exchange *exchange = exchange_new(&connection, true, 1);
    bool is_fine = exchange_check(exchange, path, version);
    unsigned int status = exchange->answer.status;
    assert_int_equal(is_fine, status == 0);
    exchange_free(exchange);
    return status;
}

static void one_host_header_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(check(HEADERS(HOST), "/", "HTTP/1.1"), 0);
    assert_int_equal(check(HEADERS(), "/", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS(HOST HOST), "/", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS({"hOST", "a"}, HOST), "/", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS(), "/", "HTTP/1.0"), 0);
    assert_int_equal(check(HEADERS(HOST HOST), "/", "HTTP/1.0"), 400);
}

static void other_versions_and_odd_paths_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check(HEADERS(HOST), "/", "HTTP/0.9"), 505);
    assert_int_equal(check(HEADERS(HOST), "/", "HTTP/2.0"), 505);
    assert_int_equal(check(HEADERS(HOST), "/", "HTTP/1.10"), 505);
    assert_int_equal(check(HEADERS(HOST), "http://localhost/", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS(HOST), "*", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS(HOST), "", "HTTP/1.1"), 400);
}

/* Two readers must never disagree on where the body ends. */
static void unclear_length_of_a_body_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "+1",  "-1",  "1 ",  " 1",
                                      "0x1", "1,1", "1;1", "abc", "1e2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(check(HEADERS(HOST{"Content-Length", bad[i]}, ), "/", "HTTP/1.1"),
                         400);
    assert_int_equal(check(HEADERS(HOST{"Content-Length", "2"}, ), "/", "HTTP/1.1"), 0);
    assert_int_equal(
        check(HEADERS(HOST{"Content-Length", "2"}, {"Content-Length", "2"}, ), "/", "HTTP/1.1"),
        400);
    assert_int_equal(
        check(HEADERS(HOST{"Content-Length", "2"}, {"Transfer-Encoding", "chunked"}, ), "/",
              "HTTP/1.1"),
        400);
    assert_int_equal(
        check(HEADERS(HOST{"Transfer-Encoding", "gzip, chunked"}, ), "/", "HTTP/1.1"), 400);
    assert_int_equal(check(HEADERS(HOST{"Transfer-Encoding", "chunked"}, ), "/", "HTTP/1.1"),
                     0);
}

static void large_body_is_refused_before_it_comes(void **state)
{
    (void)state;
    assert_int_equal(check(HEADERS(HOST{"Content-Length", "65536"}, ), "/", "HTTP/1.1"), 0);
    assert_int_equal(check(HEADERS(HOST{"Content-Length", "65537"}, ), "/", "HTTP/1.1"), 413);
    /* Neither does a number beyond all bounds come round to a small one. */
    assert_int_equal(
        check(HEADERS(HOST{"Content-Length", "18446744073709551617"}, ), "/", "HTTP/1.1"), 413);
    assert_int_equal(check(HEADERS(HOST{"Content-Length",
                                        "100000000000000000000000000000000000000000000000"}, ),
                           "/", "HTTP/1.1"),
                     413);
}

/* What the doors would do. */
struct house {
    struct admin_rig *rig; /* NULL: no configuration yet */
    uint64_t asked;        /* the ticket of the last reload asked for; 0 = none */
};

static bool look(void *context, struct status *out)
{
    const struct house *house = context;
    if (house->rig != NULL)
        *out = house->rig->status;
    return house->rig != NULL;
}

static int reload(void *context, uint64_t ticket)
{
    ((struct house *)context)->asked = ticket;
    return 0;
}

/* One request, whole. */
struct asked {
    const char *const (*headers)[2];
    enum access access;
    const char *method, *path;
    size_t body_bytes;
};

/* The status of the answer, 0 when it has to wait; what is allowed instead goes to *allow. */
static unsigned int answer(struct house *house, const struct asked *asked, const char **allow)
{
    const struct admin_actions actions = {.context = house, .look = look, .reload = reload};
    struct MHD_Connection connection = {.headers = asked->headers};
    struct exchange *exchange = exchange_new(&connection, asked->access == ACCESS_FULL, 42);
    static const char piece[1000];
    for (size_t done = 0; done < asked->body_bytes; done += sizeof piece)
        exchange_take(exchange, piece,
                      asked->body_bytes - done < sizeof piece ? asked->body_bytes - done
                                                              : sizeof piece);
    assert_true(exchange->body.length <= EXCHANGE_MOST_BODY);
    enum call_verdict verdict =
        exchange_dispatch(exchange, asked->method, asked->path, &actions);
    *allow = exchange->answer.allow;
    if (verdict == CALL_ANSWERED) {
        assert_true(exchange_send(exchange));
        assert_int_equal(connection.status, exchange->answer.status);
    }
    exchange_free(exchange);
    return connection.status;
}

static void get_shows_and_changes_nothing(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    assert_int_equal(
        answer(&house, &(struct asked){HEADERS(HOST), ACCESS_READONLY, "GET", "/", 0}, &allow),
        200);
    assert_int_equal(
        answer(&house,
               &(struct asked){HEADERS(HOST), ACCESS_READONLY, "HEAD", "/running.json", 0},
               &allow),
        200);
    assert_int_equal(answer(&house,
                            &(struct asked){HEADERS(HOST), ACCESS_FULL, "GET", "/nothing", 0},
                            &allow),
                     404);
    assert_int_equal(
        answer(&house, &(struct asked){HEADERS(HOST), ACCESS_FULL, "GET", "/api/reload", 0},
               &allow),
        405);
    assert_string_equal(allow, "POST");
    assert_int_equal(house.asked, 0);
    house.rig = NULL;
    assert_int_equal(
        answer(&house, &(struct asked){HEADERS(HOST), ACCESS_FULL, "GET", "/running.json", 0},
               &allow),
        503);
}

static void other_methods_are_refused(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    static const char *const methods[] = {"PUT",   "DELETE", "OPTIONS",
                                          "TRACE", "get",    "CONNECT"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct asked page = {HEADERS(HOST), ACCESS_FULL, methods[i], "/", 0};
        assert_int_equal(answer(&house, &page, &allow), 405);
        assert_string_equal(allow, "GET, HEAD");
        const struct asked call = {HEADERS(HOST JSON), ACCESS_FULL, methods[i], "/api/reload",
                                   0};
        assert_int_equal(answer(&house, &call, &allow), 405);
        assert_string_equal(allow, "POST");
    }
    const struct asked known = {HEADERS(HOST), ACCESS_FULL, "POST", "/running.json", 0};
    assert_int_equal(answer(&house, &known, &allow), 405);
    const struct asked unknown = {HEADERS(HOST), ACCESS_FULL, "POST", "/nothing", 0};
    assert_int_equal(answer(&house, &unknown, &allow), 404);
    assert_int_equal(house.asked, 0);
}

static void calls_wait_for_their_answer(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    const struct asked call = {HEADERS(HOST JSON), ACCESS_FULL, "POST", "/api/reload", 0};
    assert_int_equal(answer(&house, &call, &allow), 0);
    assert_int_equal(house.asked, 42);
}

static void readonly_door_takes_no_calls(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    const struct asked call = {HEADERS(HOST JSON), ACCESS_READONLY, "POST", "/api/reload", 0};
    assert_int_equal(answer(&house, &call, &allow), 403);
    assert_int_equal(house.asked, 0);
}

/* Another site's page can make a browser send a request; it cannot keep these headers away. */
static void browsers_make_no_calls(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    const struct asked calls[] = {
        {HEADERS(HOST JSON{"Origin", "https://example.net"}, ), ACCESS_FULL, "POST",
         "/api/reload", 0},
        {HEADERS(HOST JSON{"Origin", "null"}, ), ACCESS_FULL, "POST", "/api/reload", 0},
        {HEADERS(HOST JSON{"sec-fetch-site", "same-origin"}, ), ACCESS_FULL, "POST",
         "/api/reload", 0},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        assert_int_equal(answer(&house, &calls[i], &allow), 403);
    assert_int_equal(house.asked, 0);
}

static void body_that_grows_too_large_is_refused(void **state)
{
    struct house house = {.rig = *state};
    const char *allow;
    const struct asked call = {HEADERS(HOST JSON), ACCESS_FULL, "POST", "/api/reload",
                               EXCHANGE_MOST_BODY + 1};
    assert_int_equal(answer(&house, &call, &allow), 413);
    assert_int_equal(house.asked, 0);
}

#define DOOR_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_header_is_wanted),
        cmocka_unit_test(other_versions_and_odd_paths_are_refused),
        cmocka_unit_test(unclear_length_of_a_body_is_refused),
        cmocka_unit_test(large_body_is_refused_before_it_comes),
        DOOR_TEST(get_shows_and_changes_nothing),
        DOOR_TEST(other_methods_are_refused),
        DOOR_TEST(calls_wait_for_their_answer),
        DOOR_TEST(readonly_door_takes_no_calls),
        DOOR_TEST(browsers_make_no_calls),
        DOOR_TEST(body_that_grows_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the parser of HTTP response heads. */
#include "net/httphead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

struct outcome {
    enum http_parse verdict;
    int status;
};

/* The text in pieces: cut at `a` and `b`. */
static struct outcome parse_cut(const char *text, size_t length, size_t a, size_t b)
{
    const size_t ends[] = {a, b, length};
    struct http_head head = {0};
    enum http_parse verdict = HTTP_PARSE_MORE;
    size_t at = 0;
    for (size_t i = 0; i < 3 && verdict == HTTP_PARSE_MORE; i++) {
        verdict = http_head_feed(&head, text + at, ends[i] - at);
        at = ends[i];
    }
    if (verdict == HTTP_PARSE_BAD)
        assert_non_null(head.problem);
    return (struct outcome){verdict, head.status};
}

/* The same outcome however the text is cut. */
static struct outcome parse_bytes(const char *text, size_t length)
{
    struct outcome whole = parse_cut(text, length, 0, 0);
    for (size_t a = 0; a <= length; a++)
        for (size_t b = a; b <= length; b++) {
            struct outcome cut = parse_cut(text, length, a, b);
            assert_int_equal(cut.verdict, whole.verdict);
            assert_int_equal(cut.status, whole.status);
        }
    return whole;
}

static struct outcome parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void expect_status(const char *text, int status)
{
    struct outcome outcome = parse(text);
    assert_int_equal(outcome.verdict, HTTP_PARSE_DONE);
    assert_int_equal(outcome.status, status);
}

static void takes_whole_heads(void **state)
{
    (void)state;
    expect_status("HTTP/1.1 200 OK\r\n\r\n", 200);
    expect_status("HTTP/1.0 404 Not Found\r\nServer: x\r\nContent-Length: 0\r\n\r\n", 404);
    expect_status("HTTP/1.1 503 \r\nA:\r\n\r\nbody that is not looked at \r\r", 503);
    expect_status("HTTP/1.1 200\r\n\r\n", 200);
    expect_status("HTTP/1.1 999 x\n\n", 999);
    expect_status("HTTP/1.1 200 OK\nA: b\n\nHTTP/1.1 500 no\r\n\r\n", 200);
}

static void passes_over_interim_responses(void **state)
{
    (void)state;
    expect_status("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204);
    expect_status(
        "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 200 a\r\n\r\n",
        200);
    expect_status("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x05hello", 101);
    assert_int_equal(parse("HTTP/1.1 100 Continue\r\n\r\n").verdict, HTTP_PARSE_MORE);
}

static void waits_for_the_end_of_the_head(void **state)
{
    (void)state;
    static const char *const begun[] = {"",
                                        "HTTP/1",
                                        "HTTP/1.1 20",
                                        "HTTP/1.1 200",
                                        "HTTP/1.1 200 OK\r",
                                        "HTTP/1.1 200 OK\r\n",
                                        "HTTP/1.1 200 OK\r\nA: b\r\n",
                                        "HTTP/1.1 200 OK\r\nA: b\r\n\r"};
    for (size_t i = 0; i < sizeof begun / sizeof *begun; i++)
        assert_int_equal(parse(begun[i]).verdict, HTTP_PARSE_MORE);
}

static void tells_the_status_before_the_end(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 50").status, 0);
    assert_int_equal(parse("HTTP/1.1 503").status, 503);
    assert_int_equal(parse("HTTP/1.1 503 x\r\nA: ").status, 503);
}

static void refuses_what_is_no_head(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "SSH-2.0-OpenSSH\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.x 200 OK\r\n\r\n",
        "HTTP/1.11 200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 2a0 OK\r\n\r\n",
        "HTTP/1.1 200OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]).verdict, HTTP_PARSE_BAD);
    static const char nul_in_reason[] = "HTTP/1.1 200 O\0K\r\n\r\n";
    static const char nul_in_field[] = "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n";
    assert_int_equal(parse_bytes(nul_in_reason, sizeof nul_in_reason - 1).verdict,
                     HTTP_PARSE_BAD);
    assert_int_equal(parse_bytes(nul_in_field, sizeof nul_in_field - 1).verdict,
                     HTTP_PARSE_BAD);
}

static void an_endless_line_needs_no_memory(void **state)
{
    (void)state;
    static char junk[65536];
    struct http_head head = {0};
    memset(junk, 'x', sizeof junk);
    assert_int_equal(http_head_feed(&head, "HTTP/1.1 200 ", 13), HTTP_PARSE_MORE);
    for (int i = 0; i < 64; i++)
        assert_int_equal(http_head_feed(&head, junk, sizeof junk), HTTP_PARSE_MORE);
    assert_int_equal(head.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_whole_heads),
        cmocka_unit_test(passes_over_interim_responses),
        cmocka_unit_test(waits_for_the_end_of_the_head),
        cmocka_unit_test(tells_the_status_before_the_end),
        cmocka_unit_test(refuses_what_is_no_head),
        cmocka_unit_test(an_endless_line_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

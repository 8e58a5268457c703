/* SPDX-License-Identifier: MIT */
/* Tests of the HTTP client. */
#include "net/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD                                                                                   \
    "HTTP/1.1 409 Conflict\r\nDate: x\r\ncontent-length:  5\r\nX: Content-Length: "            \
    "9\r\n\r\nhello"

/* Parses a copy of exactly this length, so that the sanitizer sees a read beyond. */
static int parse(const char *bytes, size_t length, struct ask_answer *answer)
{
    char *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    char *exact = realloc(copy, length > 0 ? length : 1);
    int result = ask_parse(exact, length, answer);
    free(exact);
    return result;
}

static void reads_status_with_body(void **state)
{
    (void)state;
    struct ask_answer answer;
    assert_int_equal(parse(GOOD, strlen(GOOD), &answer), 0);
    assert_int_equal(answer.status, 409);
    assert_string_equal(answer.body.at, "hello");
    text_fini(&answer.body);
}

static void joins_chunks_and_refuses_every_cut_of_them(void **state)
{
    (void)state;
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\nA\r\n, my world\r\n0\r\n\r\n";
    struct ask_answer answer;
    assert_int_equal(parse(chunked, sizeof chunked - 1, &answer), 0);
    assert_string_equal(answer.body.at, "hello, my world");
    text_fini(&answer.body);
    for (size_t length = 0; length < sizeof chunked - 1; length++)
        assert_int_equal(parse(chunked, length, &answer), -1);
    static const char *const bad[] = {"5\r\nhell\r\n0\r\n\r\n", "g\r\n\r\n0\r\n\r\n",
                                      "fffffffff\r\nx\r\n", "\r\n\r\n", "0\r\n\r\nmore"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                 bad[i]);
        assert_int_equal(parse(text, strlen(text), &answer), -1);
    }
}

static void refuses_every_cut_answer(void **state)
{
    (void)state;
    struct ask_answer answer;
    for (size_t length = 0; length < strlen(GOOD); length++)
        assert_int_equal(parse(GOOD, length, &answer), -1);
    assert_int_equal(parse(GOOD "!", strlen(GOOD) + 1, &answer), -1);
}

static void refuses_what_is_no_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    };
    struct ask_answer answer;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_int_equal(parse(answers[i], strlen(answers[i]), &answer), -1);
}

static void says_where_no_daemon_answers(void **state)
{
    (void)state;
    struct ask_answer answer;
    struct text why = {0};
    assert_int_equal(ask("/nonexistent/control.sock", "GET", "/", NULL, &answer, &why), -1);
    assert_string_equal(
        why.at, "no daemon answers at /nonexistent/control.sock: No such file or directory");
    text_fini(&why);
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(ask(path, "GET", "/", NULL, &answer, &why), -1);
    assert_non_null(strstr(why.at, "longer than"));
    text_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_status_with_body),
        cmocka_unit_test(joins_chunks_and_refuses_every_cut_of_them),
        cmocka_unit_test(refuses_every_cut_answer),
        cmocka_unit_test(refuses_what_is_no_answer),
        cmocka_unit_test(says_where_no_daemon_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

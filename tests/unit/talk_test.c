/* SPDX-License-Identifier: MIT */
/* Promises of conf/talk: what a check may say, and what it then means. */
#include "conf/talk.h"

#include "conf/directives.h"
#include "conf_fixture.h"

static struct model *load_check(const char *check)
{
    char text[4096];
    snprintf(text, sizeof text, BASE_LINES "check = %s\n", check);
    return load_good(text);
}

static void assert_check_refused(const char *check, const char *says)
{
    char text[4096], whole[256];
    snprintf(text, sizeof text, BASE_LINES "check = %s\n", check);
    snprintf(whole, sizeof whole, "[group main] check: %s", says);
    assert_refused(text, whole);
}

static void plain_checks_are_words(void **state)
{
    (void)state;
    static const enum check_kind kinds[] = {CHECK_NONE, CHECK_TCP, CHECK_TLS};
    static const char *const words[] = {"none", "tcp", "tls"};
    for (size_t i = 0; i < 3; i++) {
        struct model *model = load_check(words[i]);
        const struct model_check *check = &model->groups[0].check;
        assert_int_equal(check->kind, kinds[i]);
        assert_string_equal(check->text, words[i]);
        assert_int_equal(check->n_steps, 0);
        conf_free(model);
    }
    struct model *model = load_good(BASE_LINES);
    assert_int_equal(model->groups[0].check.kind, CHECK_TCP);
    conf_free(model);
    assert_check_refused("", "needs a value");
    assert_check_refused("tpc",
                         "\"tpc\" is no check: must begin with one of none tcp tls http");
    assert_check_refused("redsi", "\"redsi\" is no check");
    assert_check_refused("\"tcp\"", "\"tcp\" is no check");
    assert_check_refused("tcp 80", "\"80\" is too much behind tcp");
    assert_check_refused("TCP", "\"TCP\" is no check");
}

static void assert_http(const char *text, const char *method, const char *path, int64_t least,
                        int64_t most)
{
    struct model *model = load_check(text);
    const struct model_check *check = &model->groups[0].check;
    assert_int_equal(check->kind, CHECK_HTTP);
    assert_string_equal(check->method, method);
    assert_string_equal(check->path, path);
    assert_int_equal(check->status_least, least);
    assert_int_equal(check->status_most, most);
    assert_string_equal(check->text, text);
    conf_free(model);
}

static void http_takes_method_path_and_status(void **state)
{
    (void)state;
    assert_http("http /", "GET", "/", 200, 399);
    assert_http("http /health 204", "GET", "/health", 204, 204);
    assert_http("http HEAD  /a?b=c#d 200-299", "HEAD", "/a?b=c#d", 200, 299);
    assert_http("http VERSION-CONTROL \"/x\" 100-599", "VERSION-CONTROL", "/x", 100, 599);
    assert_check_refused("http", "http needs a path");
    assert_check_refused("http GET", "http needs a path");
    assert_check_refused("http get /",
                         "\"get\": neither a method in capital letters nor a path");
    assert_check_refused("http health", "\"health\": neither");
    assert_check_refused("http \"\" /", "\"\": neither");
    assert_check_refused("http GET x", "\"x\": a path begins with /");
    assert_check_refused("http \"/a b\"", "\"/a b\": a path begins with /");
    assert_check_refused("http \"/a\\r\\nx: y\"", "\"/a");
    assert_check_refused("http \"/a\\x00\"", "\"/a\": a path");
    assert_check_refused("http \"/\xc3\xa9\"", "\"/");
    assert_check_refused("http / ok", "\"ok\": must be a status or a range");
    assert_check_refused("http / 99", "\"99\": must be a status");
    assert_check_refused("http / 600", "\"600\": must be a status");
    assert_check_refused("http / 200-", "\"200-\": must be a status");
    assert_check_refused("http / -200", "\"-200\": must be a status");
    assert_check_refused("http / 200-299-399", "\"200-299-399\": must be a status");
    assert_check_refused("http / 0200", "\"0200\": must be a status");
    assert_check_refused("http / \"200\\x00\"", "\"200\": must be a status");
    assert_check_refused("http / 399-200", "\"399-200\": the range ends before it begins");
    assert_check_refused("http / 200 300", "\"300\": is too much");
}

struct expected_step {
    bool is_expect;
    size_t n;
    struct {
        const char *bytes;
        size_t length;
    } texts[4];
};

static void assert_steps(const char *text, size_t n, const struct expected_step *expected)
{
    struct model *model = load_check(text);
    const struct model_check *check = &model->groups[0].check;
    assert_int_equal(check->kind, CHECK_TALK);
    assert_int_equal(check->n_steps, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(check->steps[i].is_expect, expected[i].is_expect);
        assert_int_equal(check->steps[i].n_texts, expected[i].n);
        for (size_t k = 0; k < expected[i].n; k++) {
            const struct model_text *got = &check->steps[i].texts[k];
            assert_int_equal(got->length, expected[i].texts[k].length);
            assert_memory_equal(got->bytes, expected[i].texts[k].bytes, got->length);
        }
    }
    conf_free(model);
}

#define TEXT(literal)                                                                          \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }
#define SEND(literal)                                                                          \
    {                                                                                          \
        false, 1,                                                                              \
        {                                                                                      \
            TEXT(literal)                                                                      \
        }                                                                                      \
    }
#define STEPS(steps) sizeof(steps) / sizeof(steps)[0], (steps)

static void steps_come_in_any_number_and_order(void **state)
{
    (void)state;
    static const struct expected_step one[] = {SEND("a")};
    static const struct expected_step many[] = {
        {true, 1, {TEXT("220")}},
        {true, 3, {TEXT("or"), TEXT("send"), TEXT("\"")}},
        SEND("x\r\n"),
        SEND("y ; z"),
        {true, 1, {TEXT("\xff\n\t")}},
    };
    assert_steps("send \"a\"", STEPS(one));
    assert_steps("expect \"220\" expect \"or\" or  \"send\" or \"\\\"\" send \"x\\r\\n\" "
                 "send \"y ; z\" expect \"\\xff\\n\\t\"",
                 STEPS(many));
}

static void bytes_may_be_nuls(void **state)
{
    (void)state;
    static const struct expected_step steps[] = {SEND("\0\0\0\x08"),
                                                 {true, 2, {TEXT("a\0b"), TEXT("\0")}}};
    assert_steps("send \"\\x00\\x00\\x00\\x08\" expect \"a\\x00b\" or \"\\x00\"", STEPS(steps));
}

static void steps_that_cannot_be_parsed_are_named(void **state)
{
    (void)state;
    assert_check_refused("send", "send needs a text in double quotes");
    assert_check_refused("expect", "expect needs a text in double quotes");
    assert_check_refused("send PING", "send needs a text in double quotes");
    assert_check_refused("send \"a\" expect", "expect needs a text in double quotes");
    assert_check_refused("expect \"a\" or", "or needs a text in double quotes");
    assert_check_refused("expect \"a\" or send \"b\"", "or needs a text in double quotes");
    assert_check_refused("expect \"\"", "the text behind expect is empty");
    assert_check_refused("expect \"a\" or \"\"", "the text behind or is empty");
    assert_check_refused("send \"\"", "the text behind send is empty");
    assert_check_refused("send \"a\" or \"b\"", "\"or\": here only send, expect or the end");
    assert_check_refused("send \"a\" \"b\"", "\"b\": here only send");
    assert_check_refused("send \"a\" \"send\" \"b\"", "\"send\": here only send");
    assert_check_refused("send \"a\" wait \"b\"", "\"wait\": here only send");
    assert_check_refused("send \"a\\q\"", "an escape in double quotes");
    assert_check_refused("send \"a\"b", "text right behind the closing double quote");
}

static void no_text_is_expected_that_is_never_read(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, BASE_LINES "check = send \"");
    for (size_t i = 0; i <= TALK_ANSWER_BYTES; i++)
        text_append(&text, "a", 1);
    text_add(&text, "\"\n");
    conf_free(load_good(text.at));
    text_clear(&text);
    text_add(&text, BASE_LINES "check = expect \"");
    for (size_t i = 0; i <= TALK_ANSWER_BYTES; i++)
        text_append(&text, "a", 1);
    text_add(&text, "\"\n");
    assert_refused(text.at, "longer than what is read of an answer");
    text_fini(&text);
}

static void a_check_may_have_many_steps(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, BASE_LINES "check =");
    for (size_t i = 0; i < 1000; i++)
        text_add(&text, " send \"a\" expect \"b\" or \"c\"");
    text_add(&text, "\n");
    struct model *model = load_good(text.at);
    assert_int_equal(model->groups[0].check.n_steps, 2000);
    assert_memory_equal(model->groups[0].check.steps[1999].texts[1].bytes, "c", 1);
    conf_free(model);
    text_fini(&text);
}

/* Any cut of a check is read or refused, and what is read has steps within their texts. */
static void every_cut_is_read_or_refused(void **state)
{
    (void)state;
    static const char whole[] = "expect \"a\\x00\" or \"b\" send \"c\\r\\n\"";
    for (size_t length = 0; length < sizeof whole; length++) {
        char text[1024];
        struct problems problems = {0};
        snprintf(text, sizeof text, BASE_LINES "check = %.*s\n", (int)length, whole);
        struct model *model = load_text(text, &problems);
        assert_int_equal(problems.n_errors, model == NULL);
        conf_free(model);
        problems_fini(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_checks_are_words),
        cmocka_unit_test(http_takes_method_path_and_status),
        cmocka_unit_test(steps_come_in_any_number_and_order),
        cmocka_unit_test(bytes_may_be_nuls),
        cmocka_unit_test(steps_that_cannot_be_parsed_are_named),
        cmocka_unit_test(no_text_is_expected_that_is_never_read),
        cmocka_unit_test(a_check_may_have_many_steps),
        cmocka_unit_test(every_cut_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

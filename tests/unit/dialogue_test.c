/* SPDX-License-Identifier: MIT */
/* Tests of checks by "send ... expect ...". */
#include "director/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define TEXT(string)                                                                           \
    {                                                                                          \
        .bytes = (const unsigned char *)(string), .length = sizeof(string) - 1                 \
    }
#define N(array) (sizeof(array) / sizeof *(array))

static struct model_text hello[] = {TEXT("HELO\r\n")}, quit[] = {TEXT("QUIT\r\n")},
                         greeting[] = {TEXT("220 ")},
                         ok_or_busy[] = {TEXT("250 "), TEXT("450 ")}, bye[] = {TEXT("221")},
                         nul[] = {TEXT("a\0b")};

static const struct model_step smtp[] = {
    {.is_expect = true, .texts = greeting, .n_texts = 1},   {.texts = hello, .n_texts = 1},
    {.is_expect = true, .texts = ok_or_busy, .n_texts = 2}, {.texts = quit, .n_texts = 1},
    {.is_expect = true, .texts = bye, .n_texts = 1},
};

static struct dialogue *new_dialogue(const struct model_step *steps, size_t n)
{
    struct dialogue *dialogue = malloc(sizeof *dialogue);
    assert_non_null(dialogue);
    dialogue_init(dialogue, steps, n);
    return dialogue;
}

/* Says what is to be sent as often as it is its turn. */
static enum dialogue_state go_on(struct dialogue *dialogue)
{
    enum dialogue_state state;
    while ((state = dialogue_state(dialogue)) == DIALOGUE_SENDS)
        dialogue_sent(dialogue);
    return state;
}

/* What the host says, cut at a and b; all of it may be there before anything was sent. */
static enum dialogue_state hear_cut(const struct model_step *steps, size_t n, const char *text,
                                    size_t length, const size_t cuts[2])
{
    struct dialogue *dialogue = new_dialogue(steps, n);
    const size_t ends[] = {cuts[0], cuts[1], length};
    size_t at = 0;
    enum dialogue_state state = go_on(dialogue);
    for (size_t i = 0; i < 3; i++) {
        dialogue_hear(dialogue, text + at, ends[i] - at);
        at = ends[i];
        state = go_on(dialogue);
    }
    free(dialogue);
    return state;
}

static enum dialogue_state hear(const struct model_step *steps, size_t n, const char *text,
                                size_t length)
{
    enum dialogue_state whole = hear_cut(steps, n, text, length, (size_t[2]){0, 0});
    for (size_t a = 0; a <= length; a++)
        for (size_t b = a; b <= length; b++)
            assert_int_equal(hear_cut(steps, n, text, length, (size_t[2]){a, b}), whole);
    return whole;
}

#define HEAR(steps, text) hear(steps, N(steps), text, sizeof(text) - 1)

static void goes_through_all_steps(void **state)
{
    (void)state;
    assert_int_equal(HEAR(smtp, "220 mail ready\r\n250 hello\r\n221 bye\r\n"), DIALOGUE_DONE);
    assert_int_equal(HEAR(smtp, "220 mail ready\r\n450 busy\r\n221"), DIALOGUE_DONE);
    assert_int_equal(HEAR(smtp, "220 mail ready\r\n550 no\r\n221"), DIALOGUE_EXPECTS);
    assert_int_equal(HEAR(smtp, "22"), DIALOGUE_EXPECTS);
    assert_int_equal(HEAR(smtp, ""), DIALOGUE_EXPECTS);
}

static void sends_in_its_turn_and_what_it_says(void **state)
{
    (void)state;
    struct dialogue *dialogue = new_dialogue(smtp, N(smtp));
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_EXPECTS);
    dialogue_hear(dialogue, "220 x\r\n250 too early\r\n", 22);
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_SENDS);
    assert_ptr_equal(dialogue_sends(dialogue), &hello[0]);
    dialogue_sent(dialogue);
    /* What came early counts: it is behind the last match. */
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_SENDS);
    assert_ptr_equal(dialogue_sends(dialogue), &quit[0]);
    free(dialogue);
}

static void nothing_is_matched_twice(void **state)
{
    (void)state;
    static struct model_text aa[] = {TEXT("aa")};
    static const struct model_step twice[] = {{.is_expect = true, .texts = aa, .n_texts = 1},
                                              {.is_expect = true, .texts = aa, .n_texts = 1}};
    assert_int_equal(HEAR(twice, "aaa"), DIALOGUE_EXPECTS);
    assert_int_equal(HEAR(twice, "aaaa"), DIALOGUE_DONE);
    assert_int_equal(HEAR(twice, "aaxaxaa"), DIALOGUE_DONE);
}

static void of_several_texts_the_one_that_ends_first_counts(void **state)
{
    (void)state;
    static struct model_text any[] = {TEXT("longer word"), TEXT("ng")}, rest[] = {TEXT("er w")};
    static const struct model_step steps[] = {{.is_expect = true, .texts = any, .n_texts = 2},
                                              {.is_expect = true, .texts = rest, .n_texts = 1}};
    assert_int_equal(HEAR(steps, "a longer word"), DIALOGUE_DONE);
}

static void bytes_may_be_zero(void **state)
{
    (void)state;
    static const struct model_step steps[] = {{.is_expect = true, .texts = nul, .n_texts = 1}};
    assert_int_equal(HEAR(steps, "xxa\0b"), DIALOGUE_DONE);
    assert_int_equal(HEAR(steps, "xxa\0\0b"), DIALOGUE_EXPECTS);
}

static void hears_sixteen_kib_and_no_more(void **state)
{
    (void)state;
    static char junk[DIALOGUE_BYTES];
    memset(junk, 'x', sizeof junk);
    struct dialogue *dialogue = new_dialogue(smtp, N(smtp));
    dialogue_hear(dialogue, junk, sizeof junk - 1);
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_EXPECTS);
    dialogue_hear(dialogue, "220 ", 4);
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_FULL);
    dialogue_init(dialogue, smtp, 1);
    dialogue_hear(dialogue, junk, sizeof junk - 4);
    dialogue_hear(dialogue, "220 ", 4);
    assert_int_equal(dialogue_state(dialogue), DIALOGUE_DONE);
    free(dialogue);
}

static void expect_words(struct dialogue *dialogue, const char *words)
{
    struct text text = {0};
    dialogue_explain(dialogue, &text);
    assert_string_equal(text.at, words);
    assert_true(text.length < 96); /* a row's reason holds it whole */
    text_fini(&text);
}

static void explains_in_words_with_bytes_escaped_and_cut(void **state)
{
    (void)state;
    static struct model_text pong[] = {TEXT("+PONG\r\n"), TEXT("+x")},
                             rude[] = {TEXT("\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02")};
    static const struct model_step one[] = {{.is_expect = true, .texts = pong, .n_texts = 1}},
                                   two[] = {{.is_expect = true, .texts = pong, .n_texts = 2}},
                                   bad[] = {{.is_expect = true, .texts = rude, .n_texts = 1}};
    struct dialogue *dialogue = new_dialogue(one, 1);
    (void)go_on(dialogue);
    expect_words(dialogue, "expected \"+PONG\\r\\n\", got nothing");
    dialogue_hear(dialogue, "-ERR \"no\\\x1b[2J\xff", 15);
    (void)go_on(dialogue);
    expect_words(dialogue,
                 "expected \"+PONG\\r\\n\", got \"-ERR \\\"no\\\\\\x1b[2J\\xff\\x00\"");
    dialogue_init(dialogue, two, 1);
    dialogue_hear(dialogue, "-NOAUTH Authentication required, says the host", 40);
    (void)go_on(dialogue);
    expect_words(
        dialogue,
        "expected \"+PONG\\r\\n\" or other, got \"-NOAUTH Authentication req\xe2\x80\xa6\"");
    dialogue_init(dialogue, bad, 1);
    dialogue_hear(dialogue, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
    (void)go_on(dialogue);
    struct text text = {0};
    dialogue_explain(dialogue, &text);
    assert_true(text.length < 96);
    text_fini(&text);
    free(dialogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_through_all_steps),
        cmocka_unit_test(sends_in_its_turn_and_what_it_says),
        cmocka_unit_test(nothing_is_matched_twice),
        cmocka_unit_test(of_several_texts_the_one_that_ends_first_counts),
        cmocka_unit_test(bytes_may_be_zero),
        cmocka_unit_test(hears_sixteen_kib_and_no_more),
        cmocka_unit_test(explains_in_words_with_bytes_escaped_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

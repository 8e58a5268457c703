/* SPDX-License-Identifier: MIT */
/* Promises of conf/quotes. */
#include "conf/quotes.h"

#include "conf_fixture.h"

static size_t end_of(const char *raw)
{
    size_t length = SIZE_MAX;
    const char *why = NULL;
    assert_true(quotes_find_end(raw, &length, &why));
    return length;
}

static void ends_value_at_blank_and_semicolon(void **state)
{
    (void)state;
    assert_int_equal(end_of(" abc ; rest"), 4);
    assert_int_equal(end_of(" abc\t;rest"), 4);
    assert_int_equal(end_of(" ; rest"), 0);
    assert_int_equal(end_of(""), 0);
    assert_int_equal(end_of(" abc   "), 4);
}

static void keeps_semicolon_inside_a_word_and_hash_anywhere(void **state)
{
    (void)state;
    assert_int_equal(end_of("a;b"), 3);
    assert_int_equal(end_of(";b"), 2);
    assert_int_equal(end_of("a # b"), 5);
}

static void keeps_semicolon_inside_double_quotes(void **state)
{
    (void)state;
    assert_int_equal(end_of(" \"a ; b\" ; rest"), 8);
    assert_int_equal(end_of("\"a \\\" ; b\" ;"), 10);
    assert_int_equal(end_of("send \"x ; y\" z"), 14);
}

static void keeps_semicolon_inside_a_default(void **state)
{
    (void)state;
    assert_int_equal(end_of("${X:-a ; b} ; c"), 11);
}

static void refuses_open_quotes_and_open_names(void **state)
{
    (void)state;
    size_t length;
    const char *why = NULL;
    assert_false(quotes_find_end("\"abc ; d", &length, &why));
    assert_non_null(strstr(why, "never closed"));
    assert_false(quotes_find_end("${abc", &length, &why));
    assert_non_null(strstr(why, "${"));
}

static void assert_expands(const char *value, const char *expected)
{
    struct text out = {0}, why = {0};
    if (!quotes_expand(&out, value, &why))
        fail_msg("%s: %s", value, why.at);
    assert_string_equal(out.at != NULL ? out.at : "", expected);
    text_fini(&out);
    text_fini(&why);
}

static void assert_expands_not(const char *value, const char *says)
{
    struct text out = {0}, why = {0};
    assert_false(quotes_expand(&out, value, &why));
    assert_non_null(strstr(why.at, says));
    text_fini(&out);
    text_fini(&why);
}

static void fills_in_the_environment(void **state)
{
    (void)state;
    setenv("GAIDAROS_A", "one two", 1);
    setenv("GAIDAROS_EMPTY", "", 1);
    unsetenv("GAIDAROS_NONE");
    assert_expands("x${GAIDAROS_A}y", "xone twoy");
    assert_expands("${GAIDAROS_NONE:-def}", "def");
    assert_expands("${GAIDAROS_EMPTY:-def}", "def");
    assert_expands("${GAIDAROS_EMPTY}", "");
    assert_expands("${GAIDAROS_A:-def}", "one two");
    assert_expands("$GAIDAROS_A $y$j9T$", "$GAIDAROS_A $y$j9T$");
    assert_expands_not("${GAIDAROS_NONE}", "GAIDAROS_NONE");
    assert_expands_not("${}", "NAME");
    assert_expands_not("${1A}", "NAME");
    assert_expands_not("${A-b}", "NAME");
}

static void fills_in_letter_by_letter_inside_quotes(void **state)
{
    (void)state;
    setenv("GAIDAROS_A", "a\"b\\c", 1);
    assert_expands("\"${GAIDAROS_A}\"", "\"a\\\"b\\\\c\"");
    /* What was filled in is not looked at again. */
    setenv("GAIDAROS_A", "${GAIDAROS_EMPTY}", 1);
    assert_expands("${GAIDAROS_A}", "${GAIDAROS_EMPTY}");
}

static void refuses_control_bytes_from_the_environment(void **state)
{
    (void)state;
    setenv("GAIDAROS_A", "a\nlisten = *:1", 1);
    assert_expands_not("${GAIDAROS_A}", "control byte");
}

static void refuses_a_value_filled_beyond_its_bound(void **state)
{
    (void)state;
    char *huge = malloc(QUOTES_VALUE_BYTES + 2);
    memset(huge, 'a', QUOTES_VALUE_BYTES + 1);
    huge[QUOTES_VALUE_BYTES + 1] = '\0';
    setenv("GAIDAROS_A", huge, 1);
    assert_expands_not("${GAIDAROS_A}", "longer than");
    unsetenv("GAIDAROS_A");
    free(huge);
}

static void assert_splits(const char *value, size_t n, const char *const *expected)
{
    struct arena arena = {0};
    struct quotes_words words;
    const char *why = NULL;
    if (!quotes_split(&arena, value, &words, &why))
        fail_msg("%s: %s", value, why);
    assert_int_equal(words.n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(words.at[i], expected[i]);
    arena_fini(&arena);
}

static void assert_splits_not(const char *value, const char *says)
{
    struct arena arena = {0};
    struct quotes_words words;
    const char *why = NULL;
    assert_false(quotes_split(&arena, value, &words, &why));
    assert_non_null(strstr(why, says));
    arena_fini(&arena);
}

static void splits_words_and_takes_quotes_off(void **state)
{
    (void)state;
    assert_splits("", 0, NULL);
    assert_splits("  a\tbc  ", 2, (const char *const[]){"a", "bc"});
    assert_splits("send \"a b\" \"\"", 3, (const char *const[]){"send", "a b", ""});
    assert_splits("\"\\\"\\\\\\r\\n\\t\\x41\\xfF\"", 1,
                  (const char *const[]){"\"\\\r\n\tA\xff"});
    assert_splits("a\\b", 1, (const char *const[]){"a\\b"});
}

static void refuses_words_it_would_have_to_guess(void **state)
{
    (void)state;
    assert_splits_not("a\"b\"", "inside a word");
    assert_splits_not("\"a\"b", "behind the closing");
    assert_splits_not("\"a", "never closed");
    assert_splits_not("\"\\q\"", "escape");
    assert_splits_not("\"\\x4\"", "escape");
    assert_splits_not("\"\\x4g\"", "escape");
    assert_splits_not("\"\\x00\"", "x00");
    assert_splits_not("\"\\", "escape");
    char many[QUOTES_WORDS * 2 + 3];
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = i % 2 == 0 ? 'a' : ' ';
    many[sizeof many - 1] = '\0';
    assert_splits_not(many, "too many");
}

static void words_with_lengths_may_hold_nuls(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct quotes_cursor cursor;
    struct quotes_word word;
    const char *why = NULL;
    assert_true(quotes_start(&cursor, &arena, " send \"a\\x00b\"\t\"\" \"\\x00\" e ", &why));
    assert_true(quotes_next(&cursor, &word, &why));
    assert_string_equal(word.at, "send");
    assert_false(word.is_quoted);
    assert_true(quotes_next(&cursor, &word, &why));
    assert_int_equal(word.length, 3);
    assert_memory_equal(word.at, "a\0b", 4);
    assert_true(word.is_quoted);
    assert_true(quotes_next(&cursor, &word, &why));
    assert_int_equal(word.length, 0);
    assert_non_null(word.at);
    assert_true(quotes_next(&cursor, &word, &why));
    assert_int_equal(word.length, 1);
    assert_memory_equal(word.at, "\0", 2);
    assert_true(quotes_next(&cursor, &word, &why));
    assert_string_equal(word.at, "e");
    for (int i = 0; i < 2; i++) {
        assert_true(quotes_next(&cursor, &word, &why));
        assert_null(word.at);
    }
    assert_true(quotes_start(&cursor, &arena, "a \"b", &why));
    assert_true(quotes_next(&cursor, &word, &why));
    assert_false(quotes_next(&cursor, &word, &why));
    assert_non_null(strstr(why, "never closed"));
    arena_fini(&arena);
}

/* Every byte goes through quotes_add_bytes and comes back. */
static void bytes_come_back(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct text written = {0}, filled = {0}, fault = {0};
    struct quotes_cursor cursor;
    struct quotes_word word;
    const char *why = NULL;
    char all[256 + 3];
    for (size_t i = 0; i < 256; i++)
        all[i] = (char)i;
    memcpy(all + 256, "${x", 3);
    quotes_add_bytes(&written, all, sizeof all);
    assert_int_equal(strlen(written.at), written.length);
    assert_true(quotes_expand(&filled, written.at, &fault));
    assert_true(quotes_start(&cursor, &arena, filled.at, &why));
    assert_true(quotes_next(&cursor, &word, &why));
    assert_int_equal(word.length, sizeof all);
    assert_memory_equal(word.at, all, sizeof all);
    text_fini(&written);
    text_fini(&filled);
    arena_fini(&arena);
}

static void assert_value(const char *value, const char *expected)
{
    struct text written = {0};
    quotes_add_value(&written, value);
    assert_string_equal(written.at != NULL ? written.at : "", expected);
    text_fini(&written);
}

static void values_are_written_as_they_are_where_that_reads_back(void **state)
{
    (void)state;
    assert_value("a   b \"c ; d\"", "a   b \"c ; d\"");
    assert_value("send \"\\x00\" ", "send \"\\x00\"");
    assert_value("a ;b", "a \";b\"");
    assert_value("a ${x} \"\\x00${y}\"", "a \"\\x24{x}\" \"\\x00\\x24{y}\"");
    assert_value("", "");
}

static void takes_one_text_with_or_without_quotes(void **state)
{
    (void)state;
    struct arena arena = {0};
    const char *text, *why = NULL;
    assert_true(quotes_unwrap(&arena, "a  b", &text, &why));
    assert_string_equal(text, "a  b");
    assert_true(quotes_unwrap(&arena, "\" a ; b\"", &text, &why));
    assert_string_equal(text, " a ; b");
    assert_false(quotes_unwrap(&arena, "\"a\" b", &text, &why));
    assert_false(quotes_unwrap(&arena, "a \"b\"", &text, &why));
    arena_fini(&arena);
}

/* Every text must come back from the walk that a line takes: find the end, fill in, unwrap. */
static void assert_comes_back(const char *given)
{
    struct text written = {0}, filled = {0}, why = {0};
    struct arena arena = {0};
    struct quotes_words words;
    const char *text, *fault = NULL;
    size_t length;
    text_add(&written, " ");
    quotes_add_text(&written, given);
    assert_true(quotes_find_end(written.at, &length, &fault));
    written.at[length] = '\0';
    assert_true(quotes_expand(&filled, written.at + (length > 0), &why));
    assert_true(quotes_unwrap(&arena, filled.at != NULL ? filled.at : "", &text, &fault));
    assert_string_equal(text, given);
    text_clear(&written);
    quotes_add_word(&written, given);
    text_add(&written, " next");
    text_clear(&filled);
    assert_true(quotes_expand(&filled, written.at, &why));
    assert_true(quotes_split(&arena, filled.at, &words, &fault));
    assert_int_equal(words.n, 2);
    assert_string_equal(words.at[0], given);
    text_fini(&written);
    text_fini(&filled);
    text_fini(&why);
    arena_fini(&arena);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain",
        "",
        "a b",
        " a",
        "a ",
        ";a",
        "a ;b",
        "a\t;b",
        "a;b",
        "\"",
        "a\"b",
        "\\",
        "a\\",
        "${HOME}",
        "x${",
        "$",
        "a\nb\r\t\x01\x7f",
        "\xc3\xa9t\xc3\xa9",
        "# a",
        "a = b",
        "\"a ; b\"",
        "\\x41",
        "[x]",
        "  ",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_comes_back(texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_value_at_blank_and_semicolon),
        cmocka_unit_test(keeps_semicolon_inside_a_word_and_hash_anywhere),
        cmocka_unit_test(keeps_semicolon_inside_double_quotes),
        cmocka_unit_test(keeps_semicolon_inside_a_default),
        cmocka_unit_test(refuses_open_quotes_and_open_names),
        cmocka_unit_test(fills_in_the_environment),
        cmocka_unit_test(fills_in_letter_by_letter_inside_quotes),
        cmocka_unit_test(refuses_control_bytes_from_the_environment),
        cmocka_unit_test(refuses_a_value_filled_beyond_its_bound),
        cmocka_unit_test(splits_words_and_takes_quotes_off),
        cmocka_unit_test(refuses_words_it_would_have_to_guess),
        cmocka_unit_test(words_with_lengths_may_hold_nuls),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(values_are_written_as_they_are_where_that_reads_back),
        cmocka_unit_test(takes_one_text_with_or_without_quotes),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Promises of conf/reader: what inih would cut, guess or pass over. */
#include "conf/reader.h"

#include "base/text.h"
#include "conf_fixture.h"

/* Everything that was handed on, a line each: "3 [section]" or "4 key=value". */
static void on_section(void *argument, const char *title, const struct origin *origin)
{
    text_printf(argument, "%u [%s]\n", (unsigned)origin->line, title);
}

static void on_pair(void *argument, const char *key, const char *value,
                    const struct origin *origin)
{
    text_printf(argument, "%u %s=%s\n", (unsigned)origin->line, key, value);
}

static void read_into(struct text *handed, struct problems *problems, const char *bytes,
                      size_t length)
{
    const struct reader_sink sink = {handed, on_section, on_pair};
    reader_run("f", bytes, length, &sink, problems);
}

static void assert_reads_bytes(const char *bytes, size_t length, const char *handed_on,
                               const char *errors)
{
    struct text handed = {0};
    struct problems problems = {0};
    read_into(&handed, &problems, bytes, length);
    assert_string_equal(errors_of(&problems), errors);
    assert_string_equal(handed.at != NULL ? handed.at : "", handed_on);
    text_fini(&handed);
    problems_fini(&problems);
}

static void assert_reads(const char *text, const char *handed_on, const char *errors)
{
    assert_reads_bytes(text, strlen(text), handed_on, errors);
}

static void hands_on_pairs_with_their_lines(void **state)
{
    (void)state;
    assert_reads("# c\n; c\n  # c\n\n[a b]\nk = v\nk=w\n \t\n[c]\nk =\n",
                 "5 [a b]\n6 k=v\n7 k=w\n9 [c]\n10 k=\n", "");
}

static void honours_a_last_line_without_newline(void **state)
{
    (void)state;
    assert_reads("[a]\nk = v", "1 [a]\n2 k=v\n", "");
    assert_reads("[a]", "1 [a]\n", "");
    assert_reads("", "", "");
}

static void takes_comments_off_outside_quotes(void **state)
{
    (void)state;
    assert_reads("[a] ; c\nk = v ; c\nk = \"v ; w\" ; c\nk = a;b#c\nk = ; c\n",
                 "1 [a]\n2 k=v\n3 k=\"v ; w\"\n4 k=a;b#c\n5 k=\n", "");
}

static void keeps_equals_signs_of_the_value(void **state)
{
    (void)state;
    assert_reads("[a]\nk = a=b:c = d\n", "1 [a]\n2 k=a=b:c = d\n", "");
}

static void accepts_crlf_but_no_other_return(void **state)
{
    (void)state;
    assert_reads("[a]\r\nk = v\r\n", "1 [a]\n2 k=v\n", "");
    assert_reads("[a]\rk = v\r", "", "f:1: a carriage return inside the line\n");
}

static void refuses_lines_it_would_have_to_guess(void **state)
{
    (void)state;
    assert_reads("k = v\n", "", "f:1: k: a key before any section\n");
    assert_reads("[a]\nk\n", "1 [a]\n", "f:2: \"k\": no = behind the key\n");
    assert_reads("[a]\nlisten *:80\n", "1 [a]\n",
                 "f:2: \"listen *:80\": no = behind the key\n");
    assert_reads("[a]\nk : v = w\n", "1 [a]\n", "f:2: \"k : v = w\": no = behind the key\n");
    assert_reads("[a]\n= 5\n", "1 [a]\n", "f:2: no key before the =\n");
    assert_reads("[a]\nk = v\n w\nl = x\n", "1 [a]\n2 k=v\n4 l=x\n",
                 "f:3: the line begins with a blank: a value does not go on in the next "
                 "line\n");
    assert_reads("[a]\n\tk = v\n", "1 [a]\n",
                 "f:2: the line begins with a blank: a value does not go on in the next "
                 "line\n");
    assert_reads("[a]\nk = \"v\n", "1 [a]\n",
                 "f:2: [a] k: double quotes that are never closed\n");
}

static void refuses_bad_headings_and_passes_over_their_keys(void **state)
{
    (void)state;
    assert_reads("[a\nk = v\n[b]\nk = w\n", "3 [b]\n4 k=w\n", "f:1: [ without its ]\n");
    assert_reads("[a] junk\nk = v\n", "", "f:1: text behind ]\n");
    assert_reads("[a];c\n", "", "f:1: text behind ]\n");
    assert_reads("[]\n", "", "f:1: a section without a name\n");
    assert_reads("[  ]\n", "", "f:1: a section without a name\n");
    assert_reads("[ a ]\n", "1 [a]\n", "");
}

#define N49 "1234567890123456789012345678901234567890123456789"

static void never_cuts_a_name(void **state)
{
    (void)state;
    assert_reads("[" N49 "]\n" N49 " = v\n", "1 [" N49 "]\n2 " N49 "=v\n", "");
    struct text handed = {0};
    struct problems problems = {0};
    const char text[] = "[a]\n" N49 "x = v\n[" N49 "x]\n[" N49 "y]\n" N49 " = w\n";
    read_into(&handed, &problems, text, strlen(text));
    assert_string_equal(handed.at, "1 [a]\n");
    assert_int_equal(problems.n_errors, 3);
    assert_non_null(strstr(problems.errors.at, "f:2: "));
    assert_non_null(strstr(problems.errors.at, "f:3: "));
    assert_non_null(strstr(problems.errors.at, "f:4: "));
    assert_non_null(strstr(problems.errors.at, "longer than 49 bytes"));
    text_fini(&handed);
    problems_fini(&problems);
}

/* A line of so many bytes, the tail of which looks like a key. */
static void assert_line_of(size_t length, bool is_whole)
{
    struct text bytes = {0}, handed = {0};
    struct problems problems = {0};
    text_add(&bytes, "[a]\nk = ");
    while (bytes.length < length + 4 - 11)
        text_append(&bytes, "x", 1);
    text_add(&bytes, " tail = end\nl = after\n");
    size_t value_length = strlen(strchr(bytes.at, '=') + 2) - strlen("\nl = after\n");
    read_into(&handed, &problems, bytes.at, bytes.length);
    assert_int_equal(problems.n_errors, is_whole ? 0 : 1);
    if (is_whole)
        assert_int_equal(handed.length, strlen("1 [a]\n2 k=\n3 l=after\n") + value_length);
    else
        assert_string_equal(handed.at, "1 [a]\n3 l=after\n");
    text_fini(&bytes);
    text_fini(&handed);
    problems_fini(&problems);
}

static void lines_up_to_64_kib_count_whole(void **state)
{
    (void)state;
    assert_line_of(199, true);
    assert_line_of(200, true);
    assert_line_of(201, true);
    assert_line_of(4096, true);
    assert_line_of(READER_LINE_BYTES - 1, true);
    assert_line_of(READER_LINE_BYTES, true);
    assert_line_of(READER_LINE_BYTES + 1, false);
    assert_line_of(READER_LINE_BYTES * 3, false);
}

static void refuses_bytes_that_are_no_text(void **state)
{
    (void)state;
    static const char nul[] = "[a]\nk = v\0w\nl = x\n";
    assert_reads_bytes(nul, sizeof nul - 1, "1 [a]\n3 l=x\n", "f:2: a NUL byte\n");
    assert_reads("[a]\nk = v\x01\n", "1 [a]\n", "f:2: a control byte\n");
    assert_reads("[a]\nk = \x7f\n", "1 [a]\n", "f:2: a control byte\n");
    assert_reads("\xef\xbb\xbf[a]\n", "",
                 "f:1: the file begins with a byte order mark: save it as UTF-8 without one\n");
    static const char utf16[] = "\xff\xfe[\0a\0]\0";
    assert_reads_bytes(utf16, sizeof utf16 - 1, "",
                       "f:1: the file is UTF-16: save it as UTF-8\n");
    static const char bare16[] = "[\0a\0]\0\n\0";
    struct text handed = {0};
    struct problems problems = {0};
    read_into(&handed, &problems, bare16, sizeof bare16 - 1);
    assert_int_equal(handed.length, 0);
    assert_int_equal(problems.n_errors, 2);
    problems_fini(&problems);
}

static void knows_good_utf8_from_bad(void **state)
{
    (void)state;
    static const char *const good[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xb4",
                                       "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",         "\xc3",         "\xc0\x80",         "\xc1\xbf",
        "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80", "\xff",         "\xe2\x82",         "\xc3(",
        "\xe2(\x82",    "\xe2\x82(",
    };
    char text[64], expected[64];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "[a]\nk = %s\n", good[i]);
        snprintf(expected, sizeof expected, "1 [a]\n2 k=%s\n", good[i]);
        assert_reads(text, expected, "");
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "[a]\nk = %s\n", bad[i]);
        assert_reads(text, "1 [a]\n", "f:2: bytes that are not UTF-8\n");
    }
}

static void fills_in_the_environment(void **state)
{
    (void)state;
    setenv("GAIDAROS_A", "x ; y", 1);
    unsetenv("GAIDAROS_NONE");
    assert_reads("[a]\nk = ${GAIDAROS_A} ; c\nk = ${GAIDAROS_NONE:-d}\n",
                 "1 [a]\n2 k=x ; y\n3 k=d\n", "");
    assert_reads("[a]\nk = ${GAIDAROS_NONE}\n", "1 [a]\n",
                 "f:2: [a] k: ${GAIDAROS_NONE} is not set in the environment and has no "
                 "default\n");
    assert_reads("# ${GAIDAROS_NONE}\n", "", "");
}

/* A file cut anywhere must yield a prefix of its lines, the last perhaps cut, and no crash. */
static void survives_a_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] =
        "[a b] ; c\r\nk = \"v ; \\\" w\" ; c\n# x\nl = ${HOME:-h}\n[c]\n";
    for (size_t length = 0; length < sizeof text; length++) {
        char *copy = malloc(length > 0 ? length : 1);
        memcpy(copy, text, length);
        struct text handed = {0};
        struct problems problems = {0};
        read_into(&handed, &problems, copy, length);
        assert_true(problems.n_errors <= 2);
        text_fini(&handed);
        problems_fini(&problems);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_on_pairs_with_their_lines),
        cmocka_unit_test(honours_a_last_line_without_newline),
        cmocka_unit_test(takes_comments_off_outside_quotes),
        cmocka_unit_test(keeps_equals_signs_of_the_value),
        cmocka_unit_test(accepts_crlf_but_no_other_return),
        cmocka_unit_test(refuses_lines_it_would_have_to_guess),
        cmocka_unit_test(refuses_bad_headings_and_passes_over_their_keys),
        cmocka_unit_test(never_cuts_a_name),
        cmocka_unit_test(lines_up_to_64_kib_count_whole),
        cmocka_unit_test(refuses_bytes_that_are_no_text),
        cmocka_unit_test(knows_good_utf8_from_bad),
        cmocka_unit_test(fills_in_the_environment),
        cmocka_unit_test(survives_a_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

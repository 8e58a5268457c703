/* SPDX-License-Identifier: MIT */
/* Tests of ctl/safe: what others send cannot control a terminal. */
#include "ctl/safe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void becomes(const char *text, size_t length, const char *kept, const char *wanted)
{
    struct text out = {0};
    text_append(&out, "", 0);
    safe_add(&out, text, length, kept);
    assert_string_equal(out.at, wanted);
    assert_int_equal(out.length, strlen(wanted));
    text_fini(&out);
}

static void takes_control_characters_out(void **state)
{
    (void)state;
    becomes("app1", 4, "", "app1");
    becomes("\033[2J\a\177", 6, "", "?[2J??");
    becomes("a\tb\nc\r", 6, "\n\t", "a\tb\nc?");
    becomes("a\0b", 3, "\n\t", "a?b");
    becomes("\302\2332J", 4, "", "?2J"); /* U+009B: CSI as one character */
    becomes("", 0, "\n", "");
}

static void keeps_what_is_written_in_utf8(void **state)
{
    (void)state;
    becomes("\303\274\342\234\223\302\240", 7, "", "\303\274\342\234\223\302\240");
    becomes("\360\237\231\202", 4, "", "\360\237\231\202");
}

static void every_pair_of_bytes_is_harmless(void **state)
{
    (void)state;
    for (unsigned int pair = 0; pair < 0x10000; pair++) {
        const char bytes[] = {(char)(pair >> 8), (char)(pair & 0xff), '\0'};
        struct text out = {0};
        safe_add(&out, bytes, 2, "");
        assert_false(out.failed);
        for (size_t i = 0; i < out.length;) {
            size_t one = text_utf8_length(out.at + i);
            unsigned char first = (unsigned char)out.at[i];
            assert_true(one > 0 && first >= ' ' && first != 0x7f);
            assert_false(one == 2 && first == 0xc2 && (unsigned char)out.at[i + 1] < 0xa0);
            i += one;
        }
        text_fini(&out);
    }
}

static void a_character_cut_off_is_none(void **state)
{
    (void)state;
    const char whole[] = "\342\234\223";
    becomes("\342\234", 2, "", "??");
    becomes("\342", 1, "", "?");
    becomes(whole, 3, "", whole);
}

static void width_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(safe_width(""), 0);
    assert_int_equal(safe_width("app1"), 4);
    assert_int_equal(safe_width("\303\274\342\234\223x"), 3);
}

static void a_file_gets_the_bytes_as_they_are(void **state)
{
    (void)state;
    char got[8];
    FILE *file = tmpfile();
    assert_non_null(file);
    safe_write(file, "a\033\0b", 4);
    safe_write(file, NULL, 0);
    rewind(file);
    assert_int_equal(fread(got, 1, sizeof got, file), 4);
    assert_memory_equal(got, "a\033\0b", 4);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_control_characters_out),
        cmocka_unit_test(keeps_what_is_written_in_utf8),
        cmocka_unit_test(every_pair_of_bytes_is_harmless),
        cmocka_unit_test(a_character_cut_off_is_none),
        cmocka_unit_test(width_counts_characters),
        cmocka_unit_test(a_file_gets_the_bytes_as_they_are),
    };
    return cmocka_run_group_tests_name("safe", tests, NULL, NULL);
}

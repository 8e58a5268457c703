/* SPDX-License-Identifier: MIT */
/* Tests of ctl/screen: which keys bytes are. */
#include "ctl/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The first key, which takes so many bytes. */
static void first_key_is(const char *bytes, int wanted, size_t length)
{
    const char *at = bytes;
    assert_int_equal(screen_key(&at, bytes + strlen(bytes)), wanted);
    assert_int_equal(at - bytes, length);
}

static void keys_are_bytes_or_sequences(void **state)
{
    (void)state;
    first_key_is("q", 'q', 1);
    first_key_is("\303\274", 0xc3, 1);
    first_key_is("\033[A", KEY_UP, 3);
    first_key_is("\033OA", KEY_UP, 3);
    first_key_is("\033[B\033[A", KEY_DOWN, 3);
    first_key_is("\033[5~x", KEY_PAGE_UP, 4);
    first_key_is("\033[6~", KEY_PAGE_DOWN, 4);
    first_key_is("\033[H", KEY_HOME, 3);
    first_key_is("\033[4~", KEY_END, 4);
}

static void what_is_unknown_is_taken_whole(void **state)
{
    (void)state;
    first_key_is("\033[1;5Aq", KEY_OTHER, 6);
    first_key_is("\033[15~s", KEY_OTHER, 5);
}

static void escape_alone_is_a_key(void **state)
{
    (void)state;
    first_key_is("\033", KEY_ESCAPE, 1);
    first_key_is("\033q", KEY_ESCAPE, 1);
    first_key_is("\033[", KEY_ESCAPE, 1);
}

/* Three bytes of what makes sequences: all are taken, none beyond. */
static void any_bytes_come_to_an_end(void **state)
{
    (void)state;
    static const char letters[] = "\033[O5~A;q";
    for (int i = 0; i < 8 * 8 * 8 * 8; i++) {
        const char bytes[] = {letters[i % 8], letters[i / 8 % 8], letters[i / 64 % 8],
                              letters[i / 512]};
        const char *at = bytes, *end = bytes + sizeof bytes;
        while (at < end) {
            const char *before = at;
            assert_true(screen_key(&at, end) >= 0);
            assert_true(at > before && at <= end);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_bytes_or_sequences),
        cmocka_unit_test(what_is_unknown_is_taken_whole),
        cmocka_unit_test(escape_alone_is_a_key),
        cmocka_unit_test(any_bytes_come_to_an_end),
    };
    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}

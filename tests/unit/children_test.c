/* SPDX-License-Identifier: MIT */
/* Tests of what is done about children. */
#include "master/children.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void delay_doubles_from_100_ms_to_10_s(void **state)
{
    (void)state;
    const uint32_t expected[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    uint32_t delay_ms = 0;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        delay_ms = child_next_delay_ms(delay_ms);
        assert_int_equal(delay_ms, expected[i]);
    }
}

static void says_how_a_process_ended(void **state)
{
    (void)state;
    struct text out = {0};
    child_print_end(&out, 3 << 8);
    assert_string_equal(out.at, "ended with status 3");
    text_clear(&out);
    child_print_end(&out, 9);
    assert_string_equal(out.at, "was killed by SIGKILL");
    text_clear(&out);
    child_print_end(&out, 6 | 0x80);
    assert_string_equal(out.at, "was killed by SIGABRT (core dumped)");
    text_fini(&out);
}

static void names_places(void **state)
{
    (void)state;
    char name[CHILD_NAME_BYTES];
    assert_string_equal(child_name(name, &(struct child){.place = 12}), "worker 12");
    assert_string_equal(child_name(name, &(struct child){.place = CHILD_DIRECTOR}), "director");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay_doubles_from_100_ms_to_10_s),
        cmocka_unit_test(says_how_a_process_ended),
        cmocka_unit_test(names_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the words for phases and outcomes. */
#include "share/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_every_outcome_as_the_access_log_does(void **state)
{
    static const char *const expected[] = {
        "open",          "ok",         "idle",           "lifetime",
        "client_reset",  "host_reset", "connect_failed", "no_host",
        "queue_timeout", "denied",     "limited",        "handshake_failed",
        "killed",        "shutdown",
    };
    (void)state;
    assert_int_equal(sizeof expected / sizeof expected[0], OUTCOMES);
    for (int i = 0; i < OUTCOMES; i++)
        assert_string_equal(outcome_word((enum outcome)i), expected[i]);
}

static void names_every_phase(void **state)
{
    static const char *const expected[] = {"proxy",   "hello", "starttls", "handshake",
                                           "ocsp",    "queue", "connect",  "relay",
                                           "closing", "sorry"};
    (void)state;
    assert_int_equal(sizeof expected / sizeof expected[0], PHASES);
    for (int i = 0; i < PHASES; i++)
        assert_string_equal(phase_word((enum phase)i), expected[i]);
}

static void shows_foreign_values_as_unknown(void **state)
{
    (void)state;
    assert_string_equal(outcome_word((enum outcome)OUTCOMES), "unknown");
    assert_string_equal(phase_word((enum phase)4711), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_outcome_as_the_access_log_does),
        cmocka_unit_test(names_every_phase),
        cmocka_unit_test(shows_foreign_values_as_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

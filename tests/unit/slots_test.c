/* SPDX-License-Identifier: MIT */
/* Tests of the rows of workers. */
#include "share/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_every_state(void **state)
{
    (void)state;
    assert_string_equal(slot_state_word(SLOT_FREE), "free");
    assert_string_equal(slot_state_word(SLOT_STARTING), "starting");
    assert_string_equal(slot_state_word(SLOT_UP), "up");
    assert_string_equal(slot_state_word(SLOT_STUCK), "stuck");
    assert_string_equal(slot_state_word(SLOT_DRAINING), "draining");
    assert_string_equal(slot_state_word((enum slot_state)5), "unknown");
}

static void keeps_what_the_worker_writes_off_masters_cache_line(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct slot_row, heartbeat_ns) % 64, 0);
    assert_true(offsetof(struct slot_row, heartbeat_ns) >= 64);
    assert_int_equal(sizeof(struct slot_row) % 64, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_state),
        cmocka_unit_test(keeps_what_the_worker_writes_off_masters_cache_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

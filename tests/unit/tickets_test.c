/* SPDX-License-Identifier: MIT */
/* Promises of share/tickets: the newest key seals, so many before it open, what is older is gone. */
#include "share/tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static void nothing_is_sealed_before_the_first(void **state)
{
    (void)state;
    struct tickets tickets = {0};
    struct ticket_key key;
    bool is_newest;
    const unsigned char name[16] = {0};
    assert_false(tickets_seal(&tickets, &key));
    assert_false(tickets_open(&tickets, name, &key, &is_newest));
}

static void keys_open_for_two_changes_and_no_longer(void **state)
{
    (void)state;
    enum { N = 9 };
    struct tickets tickets = {0};
    struct ticket_key made[N], key;
    for (int i = 0; i < N; i++) {
        bool is_newest;
        assert_int_equal(tickets_rotate(&tickets, NULL, 1000 + (uint64_t)i), 0);
        assert_int_equal(atomic_load(&tickets.changed_ns), 1000 + i);
        assert_true(tickets_seal(&tickets, &made[i]));
        for (int k = 0; k <= i; k++) {
            bool is_known = tickets_open(&tickets, made[k].name, &key, &is_newest);
            assert_int_equal(is_known, i - k <= TICKETS_PAST);
            if (!is_known)
                continue;
            assert_memory_equal(&key, &made[k], sizeof key);
            assert_int_equal(is_newest, i == k);
        }
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(&made[k], &made[i], sizeof key);
    }
    /* Of what opens nothing any more no byte is left. */
    for (int k = 0; k < N - 1 - TICKETS_PAST; k++)
        for (int i = 0; i < TICKETS_RING; i++) {
            assert_memory_not_equal(tickets.keys[i].cipher, made[k].cipher, 32);
            assert_memory_not_equal(tickets.keys[i].mac, made[k].mac, 32);
        }
}

static void a_given_key_is_taken_as_it_is(void **state)
{
    (void)state;
    struct tickets tickets = {0};
    struct ticket_key given, key;
    memset(&given, 0x5a, sizeof given);
    assert_int_equal(tickets_rotate(&tickets, &given, 1), 0);
    assert_true(tickets_seal(&tickets, &key));
    assert_memory_equal(&key, &given, sizeof key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sealed_before_the_first),
        cmocka_unit_test(keys_open_for_two_changes_and_no_longer),
        cmocka_unit_test(a_given_key_is_taken_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

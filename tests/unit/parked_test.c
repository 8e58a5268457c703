/* SPDX-License-Identifier: MIT */
/* Parked host sockets: last in first out, by family, bounded. */
#include "relay/parked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int some_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void gives_the_last_one_of_the_family(void **state)
{
    struct parked parked = {0};
    (void)state;
    assert_true(parked_put(&parked, AF_INET, 10));
    assert_true(parked_put(&parked, AF_INET6, 20));
    assert_true(parked_put(&parked, AF_INET, 11));
    assert_int_equal(parked_take(&parked, AF_INET), 11);
    assert_int_equal(parked_take(&parked, AF_INET), 10);
    assert_int_equal(parked_take(&parked, AF_INET), -1);
    assert_int_equal(parked_take(&parked, AF_INET6), 20);
    assert_int_equal(parked_take(&parked, AF_UNIX), -1);
}

static void refuses_what_has_no_room(void **state)
{
    struct parked parked = {0};
    (void)state;
    for (int i = 0; i < PARKED_MOST; i++)
        assert_true(parked_put(&parked, AF_INET, i));
    assert_false(parked_put(&parked, AF_INET, 1000));
    assert_false(parked_put(&parked, AF_UNIX, 1000));
}

static void closes_what_it_holds(void **state)
{
    struct parked parked = {0};
    int a = some_fd(), b = some_fd();
    (void)state;
    assert_true(parked_put(&parked, AF_INET, a));
    assert_true(parked_put(&parked, AF_INET6, b));
    assert_int_equal(parked_close(&parked), 2);
    assert_int_equal(fcntl(a, F_GETFD), -1);
    assert_int_equal(fcntl(b, F_GETFD), -1);
    assert_int_equal(parked_close(&parked), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_last_one_of_the_family),
        cmocka_unit_test(refuses_what_has_no_room),
        cmocka_unit_test(closes_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

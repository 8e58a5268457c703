/* SPDX-License-Identifier: MIT */
/* Promises of conf/sealed: what is sealed stays, and only that is read. */
#include "conf/sealed.h"

#include <errno.h>

#include "conf_fixture.h"

static void what_is_sealed_comes_back(void **state)
{
    (void)state;
    size_t length;
    int fd = sealed_make("test", "a\0b", 3);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    char *bytes = sealed_read(fd, 0, 3, &length);
    assert_non_null(bytes);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    free(bytes);
    close(fd);
}

static void nothing_can_be_sealed_too(void **state)
{
    (void)state;
    size_t length;
    int fd = sealed_make("test", "", 0);
    assert_true(fd >= 0);
    char *bytes = sealed_read(fd, 0, 3, &length);
    assert_non_null(bytes);
    assert_int_equal(length, 0);
    free(bytes);
    close(fd);
}

static void other_lengths_and_other_things_are_refused(void **state)
{
    (void)state;
    size_t length;
    int pipes[2], fd = sealed_make("test", "abc", 3);
    assert_null(sealed_read(fd, 4, 10, &length));
    assert_int_equal(errno, EINVAL);
    assert_null(sealed_read(fd, 0, 2, &length));
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_int_equal(pipe(pipes), 0);
    assert_null(sealed_read(pipes[0], 0, 10, &length));
    assert_int_equal(errno, EINVAL);
    close(pipes[0]);
    close(pipes[1]);
    assert_null(sealed_read(-1, 0, 10, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_comes_back),
        cmocka_unit_test(nothing_can_be_sealed_too),
        cmocka_unit_test(other_lengths_and_other_things_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

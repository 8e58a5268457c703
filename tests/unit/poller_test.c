/* SPDX-License-Identifier: MIT */
/* Tests of net/poller. */
#include "net/poller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <ev.h>

static void opens_what_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        uint32_t poller;
        unsigned int backend;
    } cases[] = {{POLLER_AUTO, EVBACKEND_EPOLL},
                 {POLLER_EPOLL, EVBACKEND_EPOLL},
                 {POLLER_POLL, EVBACKEND_POLL},
                 {POLLER_SELECT, EVBACKEND_SELECT},
                 {UINT32_MAX, EVBACKEND_EPOLL}};
    /* The environment has no say. */
    setenv("LIBEV_FLAGS", "1", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ev_loop *loop = poller_open(cases[i].poller);
        assert_non_null(loop);
        assert_int_equal(ev_backend(loop), cases[i].backend);
        ev_loop_destroy(loop);
    }
    unsetenv("LIBEV_FLAGS");
}

static void says_when_it_is_not_offered(void **state)
{
    (void)state;
    static const struct {
        uint32_t poller;
        unsigned int backend;
    } cases[] = {{POLLER_LINUXAIO, EVBACKEND_LINUXAIO}, {POLLER_IOURING, EVBACKEND_IOURING}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        errno = EBADF; /* left over */
        struct ev_loop *loop = poller_open(cases[i].poller);
        int reason = errno;
        if (loop != NULL) {
            assert_int_equal(ev_backend(loop), cases[i].backend);
            ev_loop_destroy(loop);
        } else {
            assert_int_not_equal(reason, 0);
            assert_int_not_equal(reason, EBADF);
            if ((ev_supported_backends() & cases[i].backend) == 0)
                assert_int_equal(reason, ENOTSUP);
        }
    }
}

static void passes_the_kernels_reason_on(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct ev_loop *loop = poller_open(POLLER_EPOLL);
    int reason = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(loop);
    assert_int_equal(reason, EMFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_asked_for),
        cmocka_unit_test(says_when_it_is_not_offered),
        cmocka_unit_test(passes_the_kernels_reason_on),
    };
    return cmocka_run_group_tests_name("poller", tests, NULL, NULL);
}

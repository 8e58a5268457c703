/* SPDX-License-Identifier: MIT */
/* Tests of the words to the service manager. */
#include "master/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A service manager: a bound datagram socket, its name in the environment. */
struct manager {
    int fd;
    char name[64];
};

static void listen_as(struct manager *manager, bool is_abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(manager->name, sizeof manager->name, "%s/tmp/gaidaros-notify-%d",
             is_abstract ? "@" : "", (int)getpid());
    size_t length = strlen(manager->name);
    memcpy(address.sun_path, manager->name, length);
    if (is_abstract)
        address.sun_path[0] = '\0';
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager->fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    setenv("NOTIFY_SOCKET", manager->name, 1);
}

static void forget(const struct manager *manager)
{
    close(manager->fd);
    if (manager->name[0] == '/')
        unlink(manager->name);
}

static void assert_heard(const struct manager *manager, const char *expected)
{
    char text[256] = {0};
    assert_true(recv(manager->fd, text, sizeof text - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(text, expected);
}

static void tells_the_manager_by_path_or_abstract_name(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct manager manager;
        struct notify notify;
        listen_as(&manager, i == 1);
        notify_open(&notify);
        notify_send(&notify, "READY=1\nSTATUS=%d", 7);
        assert_heard(&manager, "READY=1\nSTATUS=7");
        notify_close(&notify);
        forget(&manager);
    }
}

static void reload_begins_with_a_time(void **state)
{
    (void)state;
    struct manager manager;
    struct notify notify;
    char text[256] = {0};
    listen_as(&manager, true);
    notify_open(&notify);
    notify_reloading(&notify);
    assert_true(recv(manager.fd, text, sizeof text - 1, MSG_DONTWAIT) > 0);
    assert_int_equal(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_true(strtoull(text + 27, NULL, 10) > 0);
    notify_close(&notify);
    forget(&manager);
}

static void environment_is_taken_so_that_no_child_has_it(void **state)
{
    (void)state;
    struct manager manager;
    struct notify notify;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    listen_as(&manager, true);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    notify_open(&notify);
    assert_int_equal(notify.watchdog_ns, UINT64_C(3000000000));
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    notify_close(&notify);
    forget(&manager);
}

static void watchdog_of_another_process_is_not_ours(void **state)
{
    (void)state;
    struct manager manager;
    struct notify notify;
    listen_as(&manager, true);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&notify);
    assert_int_equal(notify.watchdog_ns, 0);
    notify_close(&notify);
    forget(&manager);
}

static void without_a_manager_nothing_is_said(void **state)
{
    (void)state;
    struct notify notify;
    const char *const names[] = {"", "relative", "/", "@"};
    unsetenv("NOTIFY_SOCKET");
    notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    notify_send(&notify, "READY=1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open(&notify);
        assert_int_equal(notify.fd, -1);
        notify_close(&notify);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_manager_by_path_or_abstract_name),
        cmocka_unit_test(reload_begins_with_a_time),
        cmocka_unit_test(environment_is_taken_so_that_no_child_has_it),
        cmocka_unit_test(watchdog_of_another_process_is_not_ours),
        cmocka_unit_test(without_a_manager_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

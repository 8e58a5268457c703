/* SPDX-License-Identifier: MIT */
/* Sinks: where lines end, what may not be written to, and that a failure leaves all as it was. */
#include "master/sinks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A private folder with a log and an access log in it. */
struct fixture {
    char folder[32], log[64], access[64];
    struct model_global global;
    struct sinks sinks;
    struct text error;
};

static int open_fixture(void **state)
{
    static struct fixture f;
    f = (struct fixture){.folder = "/tmp/sinks.XXXXXX"};
    if (mkdtemp(f.folder) == NULL)
        return -1;
    snprintf(f.log, sizeof f.log, "%s/log", f.folder);
    snprintf(f.access, sizeof f.access, "%s/access", f.folder);
    f.global.log = (struct log_target){.kind = LOGS_FILE, .path = f.log};
    f.global.access_log = (struct log_target){.kind = LOGS_FILE, .path = f.access};
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    sinks_close(&f->sinks);
    text_fini(&f->error);
    unlink(f->log);
    unlink(f->access);
    return rmdir(f->folder);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void makes_files_that_others_cannot_read(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    mode_t before = umask(0);
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), 0);
    umask(before);
    assert_int_equal(stat(f->log, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(fcntl(f->sinks.log.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(f->sinks.access.fd, "line\n", 5), 5);
    assert_int_equal(stat(f->access, &info), 0);
    assert_int_equal(info.st_size, 5);
}

static void adds_to_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), 0);
        assert_int_equal(write(f->sinks.log.fd, "line\n", 5), 5);
        sinks_close(&f->sinks);
        assert_int_equal(stat(f->log, &info), 0);
        assert_int_equal(info.st_size, 5 * i);
    }
}

static void follows_no_symbolic_link(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(symlink("/dev/null", f->log), 0);
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), -1);
    assert_non_null(strstr(f->error.at, "[global] log: "));
    assert_non_null(strstr(f->error.at, "is a symbolic link"));
}

static void leaves_nothing_open_when_the_second_fails(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->access, 0700), 0);
    int next = dup(STDERR_FILENO);
    close(next);
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), -1);
    assert_non_null(strstr(f->error.at, "[global] access_log: "));
    assert_false(is_open(next));
    assert_int_equal(f->sinks.log.kind, (struct sink){0}.kind);
    assert_int_equal(rmdir(f->access), 0);
}

static void reopens_under_the_old_names(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), 0);
    assert_int_equal(unlink(f->log), 0);
    assert_int_equal(sinks_reopen(&f->sinks, &f->global, &f->error), 0);
    assert_int_equal(write(f->sinks.log.fd, "line\n", 5), 5);
    assert_int_equal(stat(f->log, &info), 0);
    assert_int_equal(info.st_size, 5);
}

static void failed_reopening_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), 0);
    struct sinks before = f->sinks;
    assert_int_equal(unlink(f->log), 0);
    assert_int_equal(mkdir(f->log, 0700), 0);
    assert_int_equal(sinks_reopen(&f->sinks, &f->global, &f->error), -1);
    assert_int_equal(f->sinks.log.fd, before.log.fd);
    assert_true(is_open(f->sinks.log.fd) && is_open(f->sinks.access.fd));
    assert_int_equal(rmdir(f->log), 0);
}

static void lines_left_in_the_pipes_are_written_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct line_pipes pipes;
    struct stat info;
    assert_int_equal(line_pipes_open(&pipes), 0);
    assert_int_equal(sinks_open(&f->sinks, &f->global, &f->error), 0);
    assert_int_equal(write(pipes.log[1], "to the log\n", 11), 11);
    assert_int_equal(write(pipes.access[1], "access\n", 7), 7);
    line_pipes_close(&pipes, &f->sinks);
    assert_int_equal(stat(f->log, &info), 0);
    assert_int_equal(info.st_size, 11);
    assert_int_equal(stat(f->access, &info), 0);
    assert_int_equal(info.st_size, 7);
    assert_int_equal(pipes.log[0], -1);
}

#define SINKS_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINKS_TEST(makes_files_that_others_cannot_read),
        SINKS_TEST(adds_to_what_is_there),
        SINKS_TEST(follows_no_symbolic_link),
        SINKS_TEST(leaves_nothing_open_when_the_second_fails),
        SINKS_TEST(reopens_under_the_old_names),
        SINKS_TEST(failed_reopening_changes_nothing),
        SINKS_TEST(lines_left_in_the_pipes_are_written_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

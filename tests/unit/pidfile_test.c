/* SPDX-License-Identifier: MIT */
/* Tests of the locked pidfile. */
#include "master/pidfile.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 96 };

struct place {
    char folder[PATH_BYTES], path[PATH_BYTES + 16], other[PATH_BYTES + 16];
    struct text error;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/gaidaros-pidfile-XXXXXX");
    if (mkdtemp(place->folder) == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%s/x.pid", place->folder);
    snprintf(place->other, sizeof place->other, "%s/other", place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    unlink(place->path);
    rmdir(place->path);
    unlink(place->other);
    text_fini(&place->error);
    int result = rmdir(place->folder);
    free(place);
    return result;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_contents(const char *path, const char *expected)
{
    char text[64] = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    assert_string_equal(text, expected);
}

static void assert_holds_own_pid(const char *path)
{
    char pid[32];
    snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    assert_contents(path, pid);
}

static void replaces_whatever_a_dead_daemon_left(void **state)
{
    struct place *place = *state;
    const char *const left[] = {"", "garbage", "1\n", "99999999999999999999\n",
                                "4711 and more text than a pid\n"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        struct pidfile pidfile;
        struct stat info;
        write_file(place->path, left[i]);
        assert_int_equal(pidfile_find(place->path, &place->error), 0);
        assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), 0);
        assert_holds_own_pid(place->path);
        assert_int_equal(stat(place->path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0644);
        pidfile_close(&pidfile);
        assert_int_equal(access(place->path, F_OK), -1);
    }
}

/* The lock is of the open file description: another open of the same process is another daemon to it. */
static void loser_of_the_race_touches_nothing(void **state)
{
    struct place *place = *state;
    struct pidfile first, second;
    assert_int_equal(pidfile_open(&first, place->path, &place->error), 0);
    assert_int_equal(pidfile_open(&second, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "running"));
    assert_holds_own_pid(place->path);
    pidfile_close(&second);
    assert_holds_own_pid(place->path);
    assert_int_equal(pidfile_find(place->path, &place->error), getpid());
    pidfile_close(&first);
}

static void refuses_what_is_no_plain_file(void **state)
{
    struct place *place = *state;
    struct pidfile pidfile;
    write_file(place->other, "precious");

    assert_int_equal(symlink(place->other, place->path), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "symbolic link"));
    assert_int_equal(pidfile_find(place->path, &place->error), -1);
    unlink(place->path);

    assert_int_equal(link(place->other, place->path), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "more than one name"));
    unlink(place->path);

    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "not a regular file"));
    unlink(place->path);

    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), -1);
    rmdir(place->path);
    assert_contents(place->other, "precious");
}

static void removes_only_its_own_file(void **state)
{
    struct place *place = *state;
    struct pidfile pidfile;
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), 0);
    assert_int_equal(rename(place->path, place->other), 0);
    write_file(place->path, "of another");
    pidfile_close(&pidfile);
    assert_contents(place->path, "of another");
}

static void lock_lives_on_in_a_child_and_ends_with_it(void **state)
{
    struct place *place = *state;
    struct pidfile pidfile;
    int gate[2];
    char byte;
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), 0);
    pid_t child = fork();
    if (child == 0) {
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    close(pidfile.fd); /* as if this process had been killed */
    free(pidfile.path);
    assert_int_equal(pidfile_find(place->path, &place->error), getpid());
    close(gate[1]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(pidfile_find(place->path, &place->error), 0);
}

static void missing_file_means_no_daemon(void **state)
{
    struct place *place = *state;
    assert_int_equal(pidfile_find(place->path, &place->error), 0);
    assert_int_equal(place->error.length, 0);
}

/* The number of a process that has ended. */
static pid_t dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void *let_go(void *fd)
{
    usleep(50000);
    close(*(int *)fd);
    return NULL;
}

/* What a killed daemon's last thread still holds is waited for; what a living one holds is not. */
static void a_dead_ones_lock_is_waited_for(void **state)
{
    struct place *place = *state;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct pidfile pidfile;
    char line[32];
    pthread_t thread;
    snprintf(line, sizeof line, "%d\n", (int)dead_pid());
    write_file(place->path, line);
    int fd = open(place->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go, &fd), 0);
    assert_int_equal(pidfile_open(&pidfile, place->path, &place->error), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_holds_own_pid(place->path);
    struct pidfile second;
    assert_int_equal(pidfile_open(&second, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "a daemon is running already"));
    pidfile_close(&pidfile);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replaces_whatever_a_dead_daemon_left),
        TEST(loser_of_the_race_touches_nothing),
        TEST(refuses_what_is_no_plain_file),
        TEST(removes_only_its_own_file),
        TEST(lock_lives_on_in_a_child_and_ends_with_it),
        TEST(missing_file_means_no_daemon),
        TEST(a_dead_ones_lock_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the control socket's file. */
#include "master/control.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64], path[80];
    struct text error;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/gaidaros-control-XXXXXX");
    if (mkdtemp(place->folder) == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%s/c.sock", place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    unlink(place->path);
    text_fini(&place->error);
    int result = rmdir(place->folder);
    free(place);
    return result;
}

static void is_for_its_owner_alone_whatever_the_umask(void **state)
{
    struct place *place = *state;
    struct control control;
    struct stat info;
    mode_t before = umask(0);
    assert_int_equal(control_open(&control, place->path, &place->error), 0);
    umask(before);
    assert_int_equal(stat(place->path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 07777, 0600);
    control_close(&control);
    assert_int_equal(access(place->path, F_OK), -1);
}

static void live_one_is_left_alone(void **state)
{
    struct place *place = *state;
    struct control first, second;
    assert_int_equal(control_open(&first, place->path, &place->error), 0);
    assert_int_equal(control_open(&second, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "another daemon answers"));
    control_close(&second);
    assert_int_equal(access(place->path, F_OK), 0);
    control_close(&first);
}

static void stale_one_is_replaced(void **state)
{
    struct place *place = *state;
    struct control first, second;
    assert_int_equal(control_open(&first, place->path, &place->error), 0);
    close(first.fd); /* as if its process had been killed */
    assert_int_equal(control_open(&second, place->path, &place->error), 0);
    control_close(&second);
    free(first.path);
}

static void other_files_are_never_removed(void **state)
{
    struct place *place = *state;
    struct control control;
    int fd = open(place->path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    assert_int_equal(control_open(&control, place->path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "is not a socket"));
    assert_int_equal(access(place->path, F_OK), 0);
}

static void path_longer_than_an_address_is_refused(void **state)
{
    struct place *place = *state;
    struct control control;
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(control_open(&control, path, &place->error), -1);
    assert_non_null(strstr(place->error.at, "longer"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_for_its_owner_alone_whatever_the_umask),
        TEST(live_one_is_left_alone),
        TEST(stale_one_is_replaced),
        TEST(other_files_are_never_removed),
        TEST(path_longer_than_an_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

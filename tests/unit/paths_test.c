/* SPDX-License-Identifier: MIT */
/* Run-time files: named ones are taken as they are, relative ones made absolute, none where none is wanted. */
#include "master/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void relative_path_gets_the_working_folder(void **state)
{
    (void)state;
    char folder[PATH_MAX];
    assert_non_null(getcwd(folder, sizeof folder));
    struct text expected = {0};
    text_printf(&expected, "%s/a/b.conf", folder);
    char *path = paths_make_absolute("a/b.conf");
    assert_string_equal(path, expected.at);
    free(path);
    text_fini(&expected);
}

static void absolute_path_stays(void **state)
{
    (void)state;
    char *path = paths_make_absolute("/etc/x.conf");
    assert_string_equal(path, "/etc/x.conf");
    free(path);
}

static void root_folder_is_not_doubled(void **state)
{
    (void)state;
    char folder[PATH_MAX];
    assert_non_null(getcwd(folder, sizeof folder));
    assert_int_equal(chdir("/"), 0);
    char *path = paths_make_absolute("x.conf");
    assert_int_equal(chdir(folder), 0);
    assert_string_equal(path, "/x.conf");
    free(path);
}

static void empty_names_mean_no_files(void **state)
{
    (void)state;
    const struct model_global global = {
        .pidfile = "", .control = "", .has_own_pidfile = true, .has_own_control = true};
    struct text notes = {0};
    struct run_paths paths = paths_resolve(&global, false, &notes);
    assert_null(paths.pidfile);
    assert_null(paths.control);
    assert_int_equal(notes.length, 0);
}

static void named_files_are_used_whoever_starts_us(void **state)
{
    (void)state;
    const struct model_global global = {.pidfile = "/somewhere/a.pid",
                                        .control = "/somewhere/c.sock",
                                        .has_own_pidfile = true,
                                        .has_own_control = true};
    struct text notes = {0};
    for (int is_one_line = 0; is_one_line < 2; is_one_line++) {
        struct run_paths paths = paths_resolve(&global, is_one_line, &notes);
        assert_string_equal(paths.pidfile, "/somewhere/a.pid");
        assert_string_equal(paths.control, "/somewhere/c.sock");
    }
    assert_int_equal(notes.length, 0);
}

/* Run as somebody who is not root: 0 when the default places are skipped with a word on each. */
static int skip_as_nobody(void)
{
    const struct model_global global = {.pidfile = "/run/gaidaros/gaidaros.pid",
                                        .control = "/run/gaidaros/control.sock"};
    struct text notes = {0};
    if (geteuid() == 0 && seteuid(65534) != 0)
        return 1;
    struct run_paths paths = paths_resolve(&global, false, &notes);
    int result = paths.pidfile == NULL && paths.control == NULL && notes.at != NULL &&
                         strstr(notes.at, global.pidfile) != NULL &&
                         strstr(notes.at, global.control) != NULL
                     ? 0
                     : 2;
    text_fini(&notes);
    return result;
}

static void default_places_are_roots_only(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(skip_as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_path_gets_the_working_folder),
        cmocka_unit_test(absolute_path_stays),
        cmocka_unit_test(root_folder_is_not_doubled),
        cmocka_unit_test(empty_names_mean_no_files),
        cmocka_unit_test(named_files_are_used_whoever_starts_us),
        cmocka_unit_test(default_places_are_roots_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

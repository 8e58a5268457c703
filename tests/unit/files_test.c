/* SPDX-License-Identifier: MIT */
/* Promises of conf/files: which files are read at all. */
#include "conf/files.h"

#include "conf_fixture.h"

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void assert_unreadable(const char *path, const char *says)
{
    struct file_bytes file;
    struct text why = {0};
    assert_int_equal(file_read(path, 0, &file, &why), -1);
    if (strstr(why.at, says) == NULL)
        fail_msg("%s: %s", path, why.at);
    assert_null(file.bytes);
    text_fini(&why);
}

static void reads_a_regular_file_whole(void **state)
{
    (void)state;
    char path[256];
    struct file_bytes file;
    struct text why = {0};
    static char big[200000];
    memset(big, 'x', sizeof big);
    file_make_bytes(folder, "big", big, sizeof big);
    assert_int_equal(file_read(folder_path(path, folder, "big"), 0, &file, &why), 0);
    assert_int_equal(file.length, sizeof big);
    assert_memory_equal(file.bytes, big, sizeof big);
    assert_int_equal(file.owner, geteuid());
    file_bytes_fini(&file);
    file_make(folder, "empty", "");
    assert_int_equal(file_read(folder_path(path, folder, "empty"), 0, &file, &why), 0);
    assert_int_equal(file.length, 0);
    file_bytes_fini(&file);
}

static void refuses_what_is_no_regular_file_without_waiting(void **state)
{
    (void)state;
    char path[256];
    assert_unreadable(folder_path(path, folder, "absent"), "cannot be opened: No such file");
    assert_unreadable(folder, "is a folder");
    assert_unreadable("/dev/zero", "is a device");
    folder_path(path, folder, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_unreadable(path, "is a FIFO");
}

static void refuses_a_file_beyond_the_bound(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "huge", "");
    assert_int_equal(truncate(folder_path(path, folder, "huge"), 100 << 20), 0);
    assert_unreadable(path, "is larger than 16 MiB");
    assert_int_equal(truncate(path, FILES_MOST_BYTES), 0);
    struct file_bytes file;
    struct text why = {0};
    assert_int_equal(file_read(path, 0, &file, &why), 0);
    assert_int_equal(file.length, FILES_MOST_BYTES);
    file_bytes_fini(&file);
}

static void refuses_a_file_that_others_may_write(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "open", "x");
    folder_path(path, folder, "open");
    static const mode_t bad[] = {0660, 0622, 0602, 0666};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_unreadable(path, "may be written by others than its owner");
    }
    assert_int_equal(chmod(path, 0644), 0);
    struct file_bytes file;
    struct text why = {0};
    assert_int_equal(file_read(path, 0, &file, &why), 0);
    file_bytes_fini(&file);
}

static void folder_is_absolute_and_without_links(void **state)
{
    (void)state;
    char path[256], link[256];
    assert_int_equal(symlink(folder, folder_path(link, folder, "link")), 0);
    char *found = file_folder(folder_path(path, link, "x.conf"));
    assert_string_equal(found, folder);
    free(found);
    found = file_folder("/x.conf");
    assert_string_equal(found, "/");
    free(found);
    char *here = realpath(".", NULL);
    found = file_folder("x.conf");
    assert_string_equal(found, here);
    free(found);
    free(here);
    assert_null(file_folder("/nonexistent/x.conf"));
}

static void assert_finds(const char *pattern, size_t n)
{
    struct file_list list;
    struct text why = {0};
    if (file_find_includes(folder, pattern, &list, &why) != 0)
        fail_msg("%s: %s", pattern, why.at);
    assert_int_equal(list.n, n);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(list.paths[i - 1], list.paths[i]) < 0);
    file_list_fini(&list);
    text_fini(&why);
}

static void assert_finds_not(const char *pattern, const char *says)
{
    struct file_list list;
    struct text why = {0};
    assert_int_equal(file_find_includes(folder, pattern, &list, &why), -1);
    if (strstr(why.at, says) == NULL)
        fail_msg("%s: %s", pattern, why.at);
    assert_int_equal(list.n, 0);
    text_fini(&why);
}

static void finds_includes_sorted_below_the_folder(void **state)
{
    (void)state;
    char path[256];
    assert_int_equal(mkdir(folder_path(path, folder, "conf.d"), 0755), 0);
    file_make(folder, "conf.d/b.conf", "");
    file_make(folder, "conf.d/a.conf", "");
    file_make(folder, "conf.d/.hidden.conf", "");
    assert_finds("conf.d/*.conf", 2);
    assert_finds("conf.d/a.conf", 1);
    assert_finds("conf.d/*.none", 0);
    assert_finds("none.d/*.conf", 0);
    assert_finds(folder_path(path, folder, "conf.d/*.conf"), 2);
    assert_finds_not("conf.d/none.conf", "does not exist");
    assert_finds_not("none.d/a.conf", "does not exist");
    assert_finds_not("/etc/passwd", "does not lie below");
    assert_finds_not("../*", "does not lie below");
    assert_int_equal(symlink("/etc/passwd", folder_path(path, folder, "conf.d/c.conf")), 0);
    assert_finds_not("conf.d/*.conf", "does not lie below");
}

static void folder_with_pattern_bytes_means_itself(void **state)
{
    (void)state;
    char odd[256], path[512];
    struct file_list list;
    struct text why = {0};
    assert_int_equal(mkdir(folder_path(odd, folder, "[a]*"), 0755), 0);
    snprintf(path, sizeof path, "[a]*/x.conf");
    file_make(folder, path, "");
    assert_int_equal(file_find_includes(odd, "*.conf", &list, &why), 0);
    assert_int_equal(list.n, 1);
    file_list_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_regular_file_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_regular_file_without_waiting,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_a_file_beyond_the_bound, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_others_may_write, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(folder_is_absolute_and_without_links, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(finds_includes_sorted_below_the_folder, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(folder_with_pattern_bytes_means_itself, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

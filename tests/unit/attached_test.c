/* SPDX-License-Identifier: MIT */
/* Promises of conf/attached: files that values name are read once and bounded. */
#include "conf/attached.h"

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

#define FILE_LINES                                                                             \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\nwhen_no_host = sorry sorry.txt\n"   \
    "[group main]\nhost = a 10.0.0.11:8080\ncheck = tls\ntls_ca = ca.pem\n"

static struct model *load_main(struct problems *problems)
{
    char path[256];
    return load_path(folder_path(path, folder, "main.conf"), problems);
}

static void assert_main_refused(const char *says)
{
    struct problems problems = {0};
    assert_null(load_main(&problems));
    if (problems.n_errors != 1 || strstr(errors_of(&problems), says) == NULL)
        fail_msg("not %s but %s", says, errors_of(&problems));
    problems_fini(&problems);
}

static void files_are_read_from_the_configurations_folder(void **state)
{
    (void)state;
    struct problems problems = {0};
    char path[256];
    file_make(folder, "main.conf", FILE_LINES "tls_name = a.example\n");
    file_make_bytes(folder, "sorry.txt", "a\0b", 3);
    file_make(folder, "ca.pem", "");
    struct model *model = load_main(&problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    const struct model_file *sorry = &model->services[0].when_no_host.sorry;
    assert_string_equal(sorry->path, folder_path(path, folder, "sorry.txt"));
    assert_int_equal(sorry->length, 3);
    assert_memory_equal(sorry->bytes, "a\0b", 3);
    assert_string_equal(model->groups[0].tls_ca.path, folder_path(path, folder, "ca.pem"));
    assert_int_equal(model->groups[0].tls_ca.length, 0);
    assert_non_null(model->groups[0].tls_ca.bytes);
    assert_string_equal(model->groups[0].tls_name, "a.example");
    conf_free(model);
}

static void a_file_is_read_once(void **state)
{
    (void)state;
    struct problems problems = {0};
    size_t n = 0;
    file_make(folder, "main.conf",
              FILE_LINES "[service two]\nlisten = 127.0.0.1:81\ngroup = main\n"
                         "when_no_host = sorry ca.pem\n[service three]\n"
                         "listen = 127.0.0.1:82\ngroup = main\nwhen_no_host = sorry ca.pem\n");
    file_make(folder, "sorry.txt", "sorry");
    file_make(folder, "ca.pem", "ca");
    struct model *model = load_main(&problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    for (const struct conf_file *file = model->store->files; file != NULL; file = file->next)
        n++;
    assert_int_equal(n, 2);
    assert_ptr_equal(model->services[1].when_no_host.sorry.bytes,
                     model->groups[0].tls_ca.bytes);
    conf_free(model);
}

static void make_file_of(const char *name, size_t bytes)
{
    char *text = calloc(1, bytes);
    assert_non_null(text);
    file_make_bytes(folder, name, text, bytes);
    free(text);
}

static void bounds_hold(void **state)
{
    (void)state;
    struct problems problems = {0};
    file_make(folder, "main.conf", FILE_LINES);
    make_file_of("sorry.txt", 64 << 10);
    make_file_of("ca.pem", 1 << 20);
    conf_free(load_main(&problems));
    assert_int_equal(problems.n_errors, 0);
    make_file_of("sorry.txt", (64 << 10) + 1);
    assert_main_refused("main.conf:4: [service web] when_no_host: ");
    assert_main_refused("/sorry.txt is larger than 64 KiB");
    make_file_of("sorry.txt", 1);
    make_file_of("ca.pem", (1 << 20) + 1);
    assert_main_refused("main.conf:8: [group main] tls_ca: ");
    assert_main_refused("/ca.pem is larger than 1024 KiB");
    /* Also of a file that was read for another key with another bound. */
    make_file_of("ca.pem", 1 << 20);
    file_make(folder, "main.conf",
              "[group main]\nhost = a 10.0.0.11:8080\ncheck = tls\ntls_ca = ca.pem\n"
              "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"
              "when_no_host = sorry ca.pem\n");
    assert_main_refused("main.conf:8: [service web] when_no_host: ");
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    char path[256];
    file_make(folder, "main.conf", FILE_LINES);
    file_make(folder, "ca.pem", "ca");
    assert_main_refused("/sorry.txt cannot be opened: No such file or directory");
    assert_int_equal(mkfifo(folder_path(path, folder, "sorry.txt"), 0600), 0);
    assert_main_refused("is a FIFO, not a regular file");
    unlink(path);
    file_make(folder, "sorry.txt", "x");
    chmod(path, 0666);
    assert_main_refused("may be written by others than its owner");
    file_make(folder, "main.conf", BASE_LINES "tls_ca = sub/\ncheck = tls\n");
    assert_main_refused("names a folder, not a file");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(files_are_read_from_the_configurations_folder),
        WITH_FOLDER(a_file_is_read_once),
        WITH_FOLDER(bounds_hold),
        WITH_FOLDER(what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

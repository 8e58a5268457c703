/* SPDX-License-Identifier: MIT */
/* Promises of master/sinks: what a log may be written to, said with its line where it may not. */
#include "master/sinks.h"

#include <errno.h>
#include <syslog.h>

#include "conf/store.h"
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

/* Loads a file whose log is the name, then puts something else in that place. */
static struct model *load_logging_to(const char *key, const char *name)
{
    char text[512], path[256];
    struct problems problems = {0};
    snprintf(text, sizeof text, BASE_LINES "[global]\n\n%s = %s/%s\n", key, folder, name);
    file_make(folder, "main.conf", text);
    struct model *model = load_path(folder_path(path, folder, "main.conf"), &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    problems_fini(&problems);
    return model;
}

static void a_fifo_needs_no_reader(void **state)
{
    (void)state;
    char path[256], line[4096] = {0};
    struct sinks sinks = {0};
    struct problems problems = {0};
    assert_int_equal(mkfifo(folder_path(path, folder, "log"), 0600), 0);
    struct model *model = load_logging_to("log", "log");
    assert_int_equal(sinks_open(&sinks, model, false, &problems), 0);
    int fd = sinks.log.fd;
    size_t written = 0;
    ssize_t n;
    while ((n = write(fd, line, sizeof line)) > 0)
        written += (size_t)n;
    assert_int_equal(errno, EAGAIN);
    assert_true(written >= sizeof line);
    /* A reader that comes finds it all. */
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    for (size_t got = 0; got < written; got += (size_t)n) {
        n = read(reader, line, sizeof line);
        assert_true(n > 0);
    }
    assert_true(write(fd, line, sizeof line) > 0);
    close(reader);
    sinks_close(&sinks);
    conf_free(model);
    problems_fini(&problems);
}

static void a_file_is_made_and_appended_to(void **state)
{
    (void)state;
    char path[256];
    struct sinks sinks = {0};
    struct problems problems = {0};
    struct stat info;
    struct model *model = load_logging_to("access_log", "access.log");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sinks_open(&sinks, model, false, &problems), 0);
        assert_int_equal(write(sinks.access.fd, "line\n", 5), 5);
        sinks_close(&sinks);
    }
    assert_int_equal(stat(folder_path(path, folder, "access.log"), &info), 0);
    assert_int_equal(info.st_size, 10);
    assert_int_equal(info.st_mode & 0137, 0);
    conf_free(model);
    problems_fini(&problems);
}

static void assert_refused_at_its_line(const char *key, const char *why)
{
    char path[256], expected[600];
    struct sinks sinks = {0};
    struct problems problems = {0};
    struct model *model = load_logging_to(key, "target");
    folder_path(path, folder, "target");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(sinks_open(&sinks, model, false, &problems), -1);
    snprintf(expected, sizeof expected, "%s/main.conf:8: [global] %s: %s %s\n", folder, key,
             path, why);
    assert_string_equal(errors_of(&problems), expected);
    assert_int_equal(sinks.log.kind, LOGS_OFF);
    assert_int_equal(rmdir(path), 0);
    conf_free(model);
    problems_fini(&problems);
}

static void what_cannot_be_opened_is_named_with_its_line(void **state)
{
    (void)state;
    assert_refused_at_its_line("log", "Is a directory");
    assert_refused_at_its_line("access_log", "Is a directory");
}

static void in_the_background_syslog_stands_in_for_standard_error(void **state)
{
    (void)state;
    struct sinks sinks = {0};
    struct problems problems = {0};
    struct model *model = load_good(BASE_LINES);
    assert_int_equal(sinks_open(&sinks, model, false, &problems), 0);
    assert_int_equal(sinks.log.kind, LOGS_STDERR);
    sinks_close(&sinks);
    assert_int_equal(sinks_open(&sinks, model, true, &problems), 0);
    assert_int_equal(sinks.log.kind, LOGS_SYSLOG);
    assert_int_equal(sinks.log.facility, LOG_DAEMON);
    sinks_close(&sinks);
    conf_free(model);
    problems_fini(&problems);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_fifo_needs_no_reader),
        WITH_FOLDER(a_file_is_made_and_appended_to),
        cmocka_unit_test(in_the_background_syslog_stands_in_for_standard_error),
        WITH_FOLDER(what_cannot_be_opened_is_named_with_its_line),
    };
    return cmocka_run_group_tests_name("sinks", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Tests of the thread that writes the logs. */
#include "director/logwriter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static _Atomic uint64_t lost_ever;

/* A writer on a pipe of its own, and a private folder for its files. */
struct rig {
    struct log_writer *writer;
    int pipe_write, changed;
    char folder[32];
};

static void on_change(void *context)
{
    (void)eventfd_write(((struct rig *)context)->changed, 1);
}

static int open_rig(void **state)
{
    static struct rig rig;
    int ends[2];
    snprintf(rig.folder, sizeof rig.folder, "/tmp/logwriter.XXXXXX");
    if (mkdtemp(rig.folder) == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    rig.pipe_write = ends[1];
    rig.changed = eventfd(0, EFD_CLOEXEC);
    rig.writer = log_writer_new(ends[0], &lost_ever, on_change, &rig);
    *state = &rig;
    return rig.writer != NULL ? 0 : -1;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    log_writer_finish(rig->writer);
    close(rig->pipe_write);
    close(rig->changed);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", rig->folder);
    return system(command);
}

static void finish(struct rig *rig)
{
    log_writer_finish(rig->writer);
    rig->writer = NULL;
}

static void use_fd(struct rig *rig, int fd)
{
    struct line_sink sink;
    assert_true(fd >= 0);
    line_sink_to_fd(&sink, fd);
    log_writer_set_sink(rig->writer, &sink);
}

static int open_file(const struct rig *rig, int number)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%d", rig->folder, number);
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void say(const struct rig *rig, const char *lines)
{
    assert_int_equal(write(rig->pipe_write, lines, strlen(lines)), strlen(lines));
}

static void wait_for_change(const struct rig *rig)
{
    struct pollfd changed = {.fd = rig->changed, .events = POLLIN};
    eventfd_t count;
    assert_int_equal(poll(&changed, 1, 10000), 1);
    (void)eventfd_read(rig->changed, &count);
}

static size_t read_file(const struct rig *rig, int number, char *out, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%d", rig->folder, number);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(out, 1, capacity - 1, file);
    out[length] = '\0';
    fclose(file);
    return length;
}

static void carries_lines_to_the_sink(void **state)
{
    struct rig *rig = *state;
    char text[64];
    use_fd(rig, open_file(rig, 0));
    say(rig, "one\ntwo\n");
    finish(rig);
    read_file(rig, 0, text, sizeof text);
    assert_string_equal(text, "one\ntwo\n");
}

static void keeps_lines_until_there_is_a_sink(void **state)
{
    struct rig *rig = *state;
    char text[64];
    say(rig, "early\n");
    use_fd(rig, open_file(rig, 0));
    finish(rig);
    read_file(rig, 0, text, sizeof text);
    assert_string_equal(text, "early\n");
}

static void without_a_sink_leaves_lines_to_master(void **state)
{
    struct rig *rig = *state;
    int ends[2];
    char text[16];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct log_writer *writer = log_writer_new(dup(ends[0]), &lost_ever, on_change, rig);
    assert_non_null(writer);
    assert_int_equal(write(ends[1], "kept\n", 5), 5);
    log_writer_finish(writer);
    assert_int_equal(read(ends[0], text, sizeof text), 5);
    close(ends[0]);
    close(ends[1]);
}

/* Writes lines while the file is exchanged; each line is in exactly one file, in order. */
static void rotation_tears_and_loses_no_line(void **state)
{
    enum { FILES = 40, LINES = 200 };
    struct rig *rig = *state;
    char line[32], text[1 << 18];
    int said = 0, next = 0;
    for (int file = 0; file < FILES; file++) {
        use_fd(rig, open_file(rig, file));
        for (int i = 0; i < LINES; i++) {
            int length = snprintf(line, sizeof line, "line %d end\n", said);
            struct pollfd room = {.fd = rig->pipe_write, .events = POLLOUT};
            assert_int_equal(poll(&room, 1, 10000), 1);
            assert_int_equal(write(rig->pipe_write, line, (size_t)length), length);
            said++;
        }
    }
    assert_int_equal(log_writer_health(rig->writer).lost, 0);
    finish(rig);
    for (int file = 0; file < FILES; file++) {
        size_t length = read_file(rig, file, text, sizeof text);
        assert_true(length == 0 || text[length - 1] == '\n');
        for (char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
            int number = -1, used = 0;
            assert_int_equal(sscanf(at, "line %d end%n", &number, &used), 1);
            assert_true(used > 0 && at[used] == '\n');
            assert_int_equal(number, next++);
        }
    }
    assert_int_equal(next, said);
}

/* The read end of a pipe turns to end of file when its last writer is closed. */
static void old_sink_is_closed_promptly(void **state)
{
    struct rig *rig = *state;
    int old[2];
    assert_int_equal(pipe2(old, O_CLOEXEC), 0);
    use_fd(rig, old[1]);
    use_fd(rig, open_file(rig, 0));
    struct pollfd gone = {.fd = old[0], .events = POLLIN};
    assert_int_equal(poll(&gone, 1, 10000), 1);
    assert_true((gone.revents & POLLHUP) != 0);
    close(old[0]);
}

/* The write end of a pipe that takes no more; its read end is left in *read_end. */
static int open_full_pipe(int *read_end)
{
    int ends[2];
    char bytes[4096] = {0};
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0); /* a wrong write would hang the test */
    *read_end = ends[0];
    return ends[1];
}

static void blocked_sink_never_blocks_who_writes_lines(void **state)
{
    enum { LINE_BYTES = 1000 };
    struct rig *rig = *state;
    int read_end, lines = 0;
    char line[LINE_BYTES];
    memset(line, 'x', sizeof line);
    line[LINE_BYTES - 1] = '\n';
    use_fd(rig, open_full_pipe(&read_end));
    while (write(rig->pipe_write, line, sizeof line) == LINE_BYTES)
        lines++;
    assert_int_equal(errno, EAGAIN);
    assert_true(lines >= 60);

    /* The next sink takes over what waits, in whole lines. */
    static char text[1 << 20];
    use_fd(rig, open_file(rig, 0));
    finish(rig);
    assert_int_equal(read_file(rig, 0, text, sizeof text), lines * LINE_BYTES);
    close(read_end);
}

static void full_disk_is_counted_and_recovers(void **state)
{
    struct rig *rig = *state;
    char text[64];
    use_fd(rig, open("/dev/full", O_WRONLY | O_CLOEXEC));
    say(rig, "lost 1\nlost 2\n");
    wait_for_change(rig);
    struct log_writer_health health = log_writer_health(rig->writer);
    assert_int_equal(health.error, ENOSPC);
    use_fd(rig, open_file(rig, 0));
    wait_for_change(rig);
    health = log_writer_health(rig->writer);
    assert_int_equal(health.error, 0);
    assert_int_equal(health.lost, 2);
    say(rig, "fine\n");
    finish(rig);
    read_file(rig, 0, text, sizeof text);
    assert_string_equal(text, "fine\n");
}

static void finish_gives_a_blocked_sink_up(void **state)
{
    struct rig *rig = *state;
    int read_end;
    use_fd(rig, open_full_pipe(&read_end));
    say(rig, "never\n");
    finish(rig); /* or the test would hang */
    close(read_end);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(carries_lines_to_the_sink),
        RIG_TEST(keeps_lines_until_there_is_a_sink),
        RIG_TEST(without_a_sink_leaves_lines_to_master),
        RIG_TEST(rotation_tears_and_loses_no_line),
        RIG_TEST(old_sink_is_closed_promptly),
        RIG_TEST(blocked_sink_never_blocks_who_writes_lines),
        RIG_TEST(full_disk_is_counted_and_recovers),
        RIG_TEST(finish_gives_a_blocked_sink_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

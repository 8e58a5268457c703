/* SPDX-License-Identifier: MIT */
/* Tests of base/log. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

/* A pipe the log writes to, and a folder of its own. */
struct desk {
    int reader, writer;
    char folder[32];
    uint64_t dropped_before;
    char lines[32768];
};

static int open_desk(void **state)
{
    static struct desk desk;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    desk.reader = ends[0];
    desk.writer = ends[1];
    strcpy(desk.folder, "/tmp/log_test.XXXXXX");
    if (mkdtemp(desk.folder) == NULL)
        return -1;
    log_set_name("worker 2");
    log_set_level(LEVEL_INFO);
    log_to_fd(desk.writer);
    desk.dropped_before = log_dropped();
    *state = &desk;
    return 0;
}

static int close_desk(void **state)
{
    struct desk *desk = *state;
    log_flush(); /* tells what repeats */
    log_flush(); /* forgets the last line */
    log_to_fd(STDERR_FILENO);
    if (desk->reader >= 0)
        close(desk->reader);
    close(desk->writer);
    return rmdir(desk->folder);
}

/* All that waits in the pipe. */
static const char *read_lines(struct desk *desk)
{
    size_t length = 0;
    ssize_t got;
    while ((got = read(desk->reader, desk->lines + length, sizeof desk->lines - 1 - length)) >
           0)
        length += (size_t)got;
    desk->lines[length] = '\0';
    return desk->lines;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (result != 0)
        fail_msg("\"%s\" does not match \"%s\"", text, pattern);
}

#define TIME_PATTERN "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"

static void line_has_time_level_name_and_process(void **state)
{
    struct desk *desk = *state;
    char pattern[200];
    log_warning("host %s has %d", "app1", 7);
    snprintf(pattern, sizeof pattern,
             "^" TIME_PATTERN " warning worker 2\\[%d\\]: host app1 has 7\n$", (int)getpid());
    assert_matches(read_lines(desk), pattern);
}

static void each_level_has_its_word(void **state)
{
    struct desk *desk = *state;
    log_set_level(LEVEL_DEBUG);
    log_error("a");
    log_warning("b");
    log_info("c");
    log_debug("d");
    assert_matches(read_lines(desk),
                   "Z error .*: a\n.*Z warning .*: b\n.*Z info .*: c\n.*Z debug .*: d\n$");
}

static void less_urgent_lines_are_dropped_uncounted(void **state)
{
    struct desk *desk = *state;
    log_debug("unseen");
    log_set_level(LEVEL_ERROR);
    assert_int_equal(log_level(), LEVEL_ERROR);
    log_warning("unseen");
    log_info("unseen");
    log_error("seen");
    assert_matches(read_lines(desk), "^[^\n]* error [^\n]*: seen\n$");
    assert_int_equal(log_dropped(), desk->dropped_before);
}

static void control_bytes_are_escaped(void **state)
{
    struct desk *desk = *state;
    log_info("a\nb\rc\td\x01\x1f\x7f e\x1b[31m \xc3\xa9 \\");
    assert_non_null(strstr(read_lines(desk),
                           ": a\\x0ab\\x0dc\\x09d\\x01\\x1f\\x7f e\\x1b[31m \xc3\xa9 \\\n"));
}

static void long_line_is_cut_and_marked(void **state)
{
    struct desk *desk = *state;
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    const char *line = read_lines(desk);
    assert_int_equal(strlen(line), LOG_LINE_BYTES);
    assert_string_equal(line + LOG_LINE_BYTES - 5, "x...\n");
}

/* The longest text that fits, found from the header of a short line. */
static size_t longest_text(struct desk *desk)
{
    log_info("!");
    return LOG_LINE_BYTES - strlen(read_lines(desk)) + strlen("!");
}

static void line_that_just_fits_is_not_cut(void **state)
{
    struct desk *desk = *state;
    size_t longest = longest_text(desk);
    char text[LOG_LINE_BYTES];
    memset(text, 'x', sizeof text);
    text[longest] = '\0';
    log_info("%s", text);
    const char *line = read_lines(desk);
    assert_int_equal(strlen(line), LOG_LINE_BYTES);
    assert_string_equal(line + LOG_LINE_BYTES - 4, "xxx\n");
    text[longest] = 'x';
    text[longest + 1] = '\0';
    log_info("%s", text);
    line = read_lines(desk);
    assert_int_equal(strlen(line), LOG_LINE_BYTES);
    assert_string_equal(line + LOG_LINE_BYTES - 5, "x...\n");
}

static void cut_splits_no_escape_and_no_character(void **state)
{
    struct desk *desk = *state;
    size_t longest = longest_text(desk);
    for (size_t shift = 0; shift < 8; shift++) {
        char text[LOG_LINE_BYTES + 100];
        size_t length = longest - 3 - shift;
        memset(text, 'x', length);
        strcpy(text + length, "\x01\xe2\x82\xac\x02\xe2\x82\xac zzzzzzzzzzzzzzzz");
        log_info("%s", text);
        const char *line = read_lines(desk);
        assert_true(strlen(line) <= LOG_LINE_BYTES);
        assert_matches(line, "x(\\\\x01)?(\xe2\x82\xac)?(\\\\x02)?(\xe2\x82\xac)?\\.\\.\\.\n$");
    }
}

static void repeated_lines_are_folded(void **state)
{
    struct desk *desk = *state;
    for (int i = 0; i < 5; i++)
        log_info("the same");
    assert_matches(read_lines(desk), "^[^\n]*: the same\n$");
    log_info("another");
    assert_matches(read_lines(desk),
                   "^[^\n]* info [^\n]*: last line repeated 4 times\n[^\n]*: another\n$");
    log_info("another");
    log_flush();
    assert_matches(read_lines(desk), "^[^\n]*: last line repeated 1 times\n$");
}

static void same_text_of_another_level_is_no_repetition(void **state)
{
    struct desk *desk = *state;
    log_info("the same");
    log_warning("the same");
    assert_matches(read_lines(desk), "^[^\n]* info [^\n]*: the same\n"
                                     "[^\n]* warning [^\n]*: the same\n$");
}

static void line_that_rested_is_written_again(void **state)
{
    struct desk *desk = *state;
    log_info("now and then");
    log_flush();
    read_lines(desk);
    log_info("now and then");
    assert_matches(read_lines(desk), "^[^\n]*: now and then\n$");
}

static void flush_without_repetitions_writes_nothing(void **state)
{
    struct desk *desk = *state;
    log_info("once");
    read_lines(desk);
    log_flush();
    assert_string_equal(read_lines(desk), "");
}

static void fill_pipe(int writer)
{
    char block[4096] = {0};
    while (write(writer, block, sizeof block) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
}

static void full_pipe_loses_lines_and_counts_them(void **state)
{
    struct desk *desk = *state;
    fill_pipe(desk->writer);
    log_info("lost one");
    log_info("lost two");
    assert_int_equal(log_dropped(), desk->dropped_before + 2);
    char block[4096];
    while (read(desk->reader, block, sizeof block) > 0) {
    }
    log_info("lost two"); /* nobody has seen it yet: no repetition */
    assert_matches(read_lines(desk), "^[^\n]*: lost two\n$");
    assert_int_equal(log_dropped(), desk->dropped_before + 2);
}

static void full_blocking_pipe_does_not_hold_the_writer(void **state)
{
    struct desk *desk = *state;
    fill_pipe(desk->writer);
    assert_int_equal(fcntl(desk->writer, F_SETFL, 0), 0);
    alarm(PATIENCE_MS / 1000); /* ends a log that waits */
    log_info("lost");
    alarm(0);
    assert_int_equal(log_dropped(), desk->dropped_before + 1);
}

static void closed_reader_loses_lines_without_a_signal(void **state)
{
    struct desk *desk = *state;
    close(desk->reader);
    desk->reader = -1;
    log_info("lost"); /* SIGPIPE's default would end this test */
    assert_int_equal(log_dropped(), desk->dropped_before + 1);
}

static void closed_descriptor_loses_lines(void **state)
{
    struct desk *desk = *state;
    int fd = dup(desk->writer);
    close(fd);
    log_to_fd(fd);
    log_info("lost");
    assert_int_equal(log_dropped(), desk->dropped_before + 1);
    log_to_fd(desk->writer);
}

static void logging_leaves_errno_alone(void **state)
{
    struct desk *desk = *state;
    errno = ENOTSUP;
    log_info("seen");
    assert_int_equal(errno, ENOTSUP);
    close(desk->reader);
    desk->reader = -1;
    log_info("lost");
    assert_int_equal(errno, ENOTSUP);
}

static void target_is_told(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(log_fd(), desk->writer);
    log_to_syslog_at("/nonexistent/log", LOG_DAEMON);
    assert_int_equal(log_fd(), -1);
}

static int bind_syslog(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static const char *receive_datagram(struct desk *desk, int fd)
{
    ssize_t got = recv(fd, desk->lines, sizeof desk->lines - 1, 0);
    assert_true(got >= 0);
    desk->lines[got] = '\0';
    return desk->lines;
}

static void syslog_gets_one_datagram_a_line(void **state)
{
    struct desk *desk = *state;
    char path[64], pattern[200];
    snprintf(path, sizeof path, "%s/log", desk->folder);
    int syslog_fd = bind_syslog(path);
    log_to_syslog_at(path, LOG_DAEMON);
    log_warning("a\nb");
    log_error("c");
    snprintf(pattern, sizeof pattern,
             "^<28>[JFMASOND][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} gaidaros\\[%d\\]: "
             "worker 2: a\\\\x0ab$",
             (int)getpid());
    assert_matches(receive_datagram(desk, syslog_fd), pattern);
    assert_matches(receive_datagram(desk, syslog_fd), "^<27>.*: c$");
    assert_int_equal(log_dropped(), desk->dropped_before);
    close(syslog_fd);
    unlink(path);
}

static void full_syslog_loses_lines(void **state)
{
    struct desk *desk = *state;
    char path[64];
    snprintf(path, sizeof path, "%s/log", desk->folder);
    int syslog_fd = bind_syslog(path);
    log_to_syslog_at(path, LOG_DAEMON);
    alarm(PATIENCE_MS / 1000);
    int n_written = 0;
    while (log_dropped() == desk->dropped_before)
        log_info("line %d", n_written++);
    alarm(0);
    assert_matches(receive_datagram(desk, syslog_fd), ": line 0$");
    log_info("room again");
    assert_int_equal(log_dropped(), desk->dropped_before + 1);
    close(syslog_fd);
    unlink(path);
}

static void syslog_is_found_again_after_its_restart(void **state)
{
    struct desk *desk = *state;
    char path[64];
    snprintf(path, sizeof path, "%s/log", desk->folder);
    log_to_syslog_at(path, LOG_DAEMON);
    log_info("nobody there");
    assert_int_equal(log_dropped(), desk->dropped_before + 1);
    int syslog_fd = bind_syslog(path);
    log_info("too soon"); /* connecting is tried once a second */
    assert_int_equal(log_dropped(), desk->dropped_before + 2);
    struct pollfd pollfd = {.fd = syslog_fd, .events = POLLIN};
    for (int i = 0; i < PATIENCE_MS / 10 && poll(&pollfd, 1, 10) == 0; i++)
        log_info("line %d", i);
    assert_matches(receive_datagram(desk, syslog_fd), ": line [0-9]+$");
    close(syslog_fd);
    unlink(path);
}

static void limit_passes_once_a_second(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint64_t suppressed = 99, start_ns = UINT64_C(5000000000);
    assert_true(log_limit_pass(&limit, start_ns, &suppressed));
    assert_int_equal(suppressed, 0);
    for (uint64_t i = 0; i < 10; i++)
        assert_false(log_limit_pass(&limit, start_ns + i * 99999999, &suppressed));
    assert_false(log_limit_pass(&limit, start_ns + 999999999, &suppressed));
    assert_true(log_limit_pass(&limit, start_ns + 1000000000, &suppressed));
    assert_int_equal(suppressed, 11);
    assert_true(log_limit_pass(&limit, start_ns + 9000000000, &suppressed));
    assert_int_equal(suppressed, 0);
}

#define DESK_TEST(test) cmocka_unit_test_setup_teardown(test, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(line_has_time_level_name_and_process),
        DESK_TEST(each_level_has_its_word),
        DESK_TEST(less_urgent_lines_are_dropped_uncounted),
        DESK_TEST(control_bytes_are_escaped),
        DESK_TEST(long_line_is_cut_and_marked),
        DESK_TEST(line_that_just_fits_is_not_cut),
        DESK_TEST(cut_splits_no_escape_and_no_character),
        DESK_TEST(repeated_lines_are_folded),
        DESK_TEST(same_text_of_another_level_is_no_repetition),
        DESK_TEST(line_that_rested_is_written_again),
        DESK_TEST(flush_without_repetitions_writes_nothing),
        DESK_TEST(full_pipe_loses_lines_and_counts_them),
        DESK_TEST(full_blocking_pipe_does_not_hold_the_writer),
        DESK_TEST(closed_reader_loses_lines_without_a_signal),
        DESK_TEST(closed_descriptor_loses_lines),
        DESK_TEST(logging_leaves_errno_alone),
        DESK_TEST(target_is_told),
        DESK_TEST(syslog_gets_one_datagram_a_line),
        DESK_TEST(full_syslog_loses_lines),
        DESK_TEST(syslog_is_found_again_after_its_restart),
        cmocka_unit_test(limit_passes_once_a_second),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

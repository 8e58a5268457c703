/* SPDX-License-Identifier: MIT */
/* Tests of where log lines end. */
#include "director/linesink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#define LINE "2026-11-22T07:00:00.123Z warning worker 2[4711]: it [x]: is late\n"

static void writes_to_a_descriptor(void **state)
{
    (void)state;
    int ends[2];
    struct line_sink sink;
    char read_back[64] = "";
    size_t taken;
    assert_int_equal(pipe(ends), 0);
    line_sink_to_fd(&sink, ends[1]);
    assert_int_equal(line_sink_put(&sink, "a\nb\n", 4, &taken), LINES_TAKEN);
    assert_int_equal(taken, 4);
    assert_int_equal(read(ends[0], read_back, sizeof read_back), 4);
    assert_string_equal(read_back, "a\nb\n");
    assert_false(sink.is_torn);
    line_sink_fini(&sink);
    assert_int_equal(read(ends[0], read_back, 1), 0); /* it was closed */
    close(ends[0]);
}

static void never_waits_for_a_full_pipe(void **state)
{
    (void)state;
    int ends[2];
    struct line_sink sink;
    char lines[3 * 4096];
    size_t taken, total = 0;
    memset(lines, 'x', sizeof lines);
    for (size_t i = 99; i < sizeof lines; i += 100)
        lines[i] = '\n';
    assert_int_equal(pipe(ends), 0); /* blocking: a wrong write would hang the test */
    line_sink_to_fd(&sink, ends[1]);
    enum line_sink_verdict verdict;
    while ((verdict = line_sink_put(&sink, lines, sizeof lines, &taken)) == LINES_TAKEN) {
        assert_true(taken > 0 && taken <= 4096);
        assert_int_equal(taken % 100, 0); /* cut behind a line */
        total += taken;
    }
    assert_int_equal(verdict, LINES_BUSY);
    assert_true(total > 4096);
    line_sink_fini(&sink);
    close(ends[0]);
}

static void full_disk_loses_lines(void **state)
{
    (void)state;
    struct line_sink sink;
    size_t taken;
    line_sink_to_fd(&sink, open("/dev/full", O_WRONLY | O_CLOEXEC));
    assert_int_equal(line_sink_put(&sink, "a\n", 2, &taken), LINES_LOST);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(taken, 0);
    line_sink_fini(&sink);
}

static void unwanted_lines_are_taken_kept_ones_are_not(void **state)
{
    (void)state;
    struct line_sink off = {.kind = LINES_UNWANTED}, kept = {0};
    size_t taken;
    assert_int_equal(line_sink_put(&off, "a\n", 2, &taken), LINES_TAKEN);
    assert_int_equal(taken, 2);
    assert_int_equal(line_sink_put(&kept, "a\n", 2, &taken), LINES_BUSY);
    assert_int_equal(taken, 0);
}

/* A syslog daemon of our own in a private folder. */
struct listener {
    char folder[32], path[64];
    int fd;
};

static void listen_at(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", listener->path);
    listener->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static int open_listener(void **state)
{
    static struct listener listener;
    snprintf(listener.folder, sizeof listener.folder, "/tmp/linesink.XXXXXX");
    if (mkdtemp(listener.folder) == NULL)
        return -1;
    snprintf(listener.path, sizeof listener.path, "%s/log", listener.folder);
    listen_at(&listener);
    *state = &listener;
    return 0;
}

static int close_listener(void **state)
{
    struct listener *listener = *state;
    close(listener->fd);
    unlink(listener->path);
    return rmdir(listener->folder);
}

/* The datagram behind "<PRI>Mmm dd hh:mm:ss ", and its priority. */
static const char *receive(const struct listener *listener, int *priority)
{
    static char datagram[8192];
    int stamp = 0;
    ssize_t length = recv(listener->fd, datagram, sizeof datagram - 1, 0);
    assert_true(length > 0);
    datagram[length] = '\0';
    assert_int_equal(sscanf(datagram, "<%d>%*3c %*d %*d:%*d:%*d %n", priority, &stamp), 1);
    assert_true(stamp > 0);
    return datagram + stamp;
}

static void log_line_becomes_a_datagram_of_its_level(void **state)
{
    const struct listener *listener = *state;
    struct line_sink sink;
    size_t taken;
    int priority;
    line_sink_to_syslog(&sink, LOG_LOCAL3, listener->path);
    assert_int_equal(line_sink_put(&sink, LINE LINE, 2 * strlen(LINE), &taken), LINES_TAKEN);
    assert_int_equal(taken, strlen(LINE)); /* one line, one datagram */
    assert_string_equal(receive(listener, &priority),
                        "gaidaros[4711]: worker 2: it [x]: is late");
    assert_int_equal(priority, LOG_LOCAL3 | LOG_WARNING);
    line_sink_fini(&sink);
}

static void access_line_becomes_a_datagram_as_it_is(void **state)
{
    const struct listener *listener = *state;
    struct line_sink sink;
    size_t taken;
    int priority;
    char wanted[128];
    static const char line[] = "2026-11-22T07:00:00.123Z 192.0.2.1:5 web main app1 status=ok";
    line_sink_to_syslog(&sink, LOG_DAEMON, listener->path);
    assert_int_equal(line_sink_put(&sink, line, strlen(line), &taken), LINES_TAKEN);
    assert_int_equal(taken, strlen(line));
    snprintf(wanted, sizeof wanted, "gaidaros[%d]: %s", (int)getpid(), line);
    assert_string_equal(receive(listener, &priority), wanted);
    assert_int_equal(priority, LOG_DAEMON | LOG_INFO);
    line_sink_fini(&sink);
}

static void stopped_syslog_is_busy_not_waited_for(void **state)
{
    const struct listener *listener = *state;
    struct line_sink sink;
    size_t taken;
    line_sink_to_syslog(&sink, LOG_DAEMON, listener->path);
    enum line_sink_verdict verdict;
    while ((verdict = line_sink_put(&sink, LINE, strlen(LINE), &taken)) == LINES_TAKEN)
        assert_int_equal(taken, strlen(LINE));
    assert_int_equal(verdict, LINES_BUSY);
    line_sink_fini(&sink);
}

static void restarted_syslog_is_found_again(void **state)
{
    struct listener *listener = *state;
    struct line_sink sink;
    size_t taken;
    int priority;
    line_sink_to_syslog(&sink, LOG_DAEMON, listener->path);
    assert_int_equal(line_sink_put(&sink, LINE, strlen(LINE), &taken), LINES_TAKEN);
    close(listener->fd);
    unlink(listener->path);
    assert_int_equal(line_sink_put(&sink, LINE, strlen(LINE), &taken), LINES_LOST);
    listen_at(listener);
    sink.retry_ns = 0; /* as if the second had passed */
    assert_int_equal(line_sink_put(&sink, LINE, strlen(LINE), &taken), LINES_TAKEN);
    assert_non_null(strstr(receive(listener, &priority), "is late"));
    line_sink_fini(&sink);
}

/* Two UDP sockets of this machine: fds[0] hears what fds[1] sends. */
static void open_datagrams(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(bind(fds[0], (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&at, &length), 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&at, sizeof at), 0);
}

static void server_gets_rfc_5424(void **state)
{
    (void)state;
    struct line_sink sink;
    int fds[2];
    size_t taken;
    char got[1024], wanted[512], name[256];
    const char *json = "{\"time\":\"2026-11-22T07:00:00.456Z\",\"x\":1}\n";
    open_datagrams(fds);
    assert_int_equal(gethostname(name, sizeof name), 0);
    line_sink_to_server(&sink, fds[1], LOG_LOCAL1, "log");
    assert_int_equal(line_sink_put(&sink, LINE, strlen(LINE), &taken), LINES_TAKEN);
    assert_int_equal(taken, strlen(LINE));
    ssize_t n = recv(fds[0], got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    snprintf(
        wanted, sizeof wanted,
        "<%d>1 2026-11-22T07:00:00.123Z %.128s gaidaros 4711 log - worker 2: it [x]: is late",
        LOG_LOCAL1 | LOG_WARNING, name);
    assert_string_equal(got, wanted);
    assert_int_equal(line_sink_put(&sink, json, strlen(json), &taken), LINES_TAKEN);
    n = recv(fds[0], got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    snprintf(wanted, sizeof wanted,
             "<%d>1 2026-11-22T07:00:00.456Z %.128s gaidaros %d log - {\"time\":",
             LOG_LOCAL1 | LOG_INFO, name, (int)getpid());
    assert_memory_equal(got, wanted, strlen(wanted));
    line_sink_fini(&sink);
    close(fds[0]);
}

static void datagrams_that_reach_nobody_are_counted(void **state)
{
    (void)state;
    struct line_sink sink;
    int fds[2];
    size_t taken;
    open_datagrams(fds);
    close(fds[0]);
    line_sink_to_server(&sink, fds[1], LOG_DAEMON, "log");
    /* Each send tells that the one before has reached nobody. */
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(line_sink_put(&sink, "a\n", 2, &taken), LINES_TAKEN);
        assert_int_equal(sink.n_unreached, i);
    }
    line_sink_fini(&sink);
}

#define SYSLOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_listener, close_listener)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_to_a_descriptor),
        cmocka_unit_test(never_waits_for_a_full_pipe),
        cmocka_unit_test(full_disk_loses_lines),
        cmocka_unit_test(unwanted_lines_are_taken_kept_ones_are_not),
        SYSLOG_TEST(log_line_becomes_a_datagram_of_its_level),
        SYSLOG_TEST(access_line_becomes_a_datagram_as_it_is),
        SYSLOG_TEST(stopped_syslog_is_busy_not_waited_for),
        SYSLOG_TEST(restarted_syslog_is_found_again),
        cmocka_unit_test(server_gets_rfc_5424),
        cmocka_unit_test(datagrams_that_reach_nobody_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Writes log lines to a descriptor or sends them to syslog. */
#include "director/linesink.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/syslog5424.h"

enum { RETRY_S = 1, SYSLOG_LINE_BYTES = 8192, FILE_WRITE_BYTES = 65536 };

void line_sink_to_fd(struct line_sink *sink, int fd)
{
    struct stat about;
    bool is_file = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    /* poll(2) calls a pipe writable when PIPE_BUF bytes fit; more would make write(2) wait. */
    *sink = (struct line_sink){
        .kind = LINES_TO_FD, .fd = fd, .most_bytes = is_file ? FILE_WRITE_BYTES : PIPE_BUF};
}

void line_sink_to_syslog(struct line_sink *sink, int facility, const char *path)
{
    *sink = (struct line_sink){.kind = LINES_TO_SYSLOG, .fd = -1, .facility = facility};
    sink->path.sun_family = AF_UNIX;
    snprintf(sink->path.sun_path, sizeof sink->path.sun_path, "%s", path);
}

void line_sink_to_server(struct line_sink *sink, int fd, int facility, const char *word)
{
    *sink = (struct line_sink){
        .kind = LINES_TO_SERVER, .fd = fd, .facility = facility, .word = word};
}

void line_sink_fini(struct line_sink *sink)
{
    if (sink->kind > LINES_UNWANTED && sink->fd >= 0)
        close(sink->fd);
    *sink = (struct line_sink){0};
}

/* As much as one write may carry, cut behind a newline where there is one. */
static size_t cut(const char *bytes, size_t length, size_t most)
{
    if (length <= most)
        return length;
    const char *end = memrchr(bytes, '\n', most);
    return end != NULL ? (size_t)(end - bytes) + 1 : most;
}

static bool can_take(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1;
}

static enum line_sink_verdict put_fd(struct line_sink *sink, const char *bytes, size_t length,
                                     size_t *taken)
{
    if (!can_take(sink->fd))
        return LINES_BUSY;
    ssize_t written = write(sink->fd, bytes, cut(bytes, length, sink->most_bytes));
    if (written > 0) {
        *taken = (size_t)written;
        sink->is_torn = bytes[written - 1] != '\n';
        return LINES_TAKEN;
    }
    if (written == 0)
        errno = EIO;
    return errno == EAGAIN || errno == EINTR ? LINES_BUSY : LINES_LOST;
}

static bool connect_syslog(struct line_sink *sink)
{
    if (sink->fd >= 0)
        return true;
    uint64_t now_ns = clock_now_ns();
    if (now_ns < sink->retry_ns) {
        errno = ENOTCONN;
        return false;
    }
    sink->retry_ns = now_ns + RETRY_S * CLOCK_NS_PER_S;
    sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sink->fd < 0)
        return false;
    if (connect(sink->fd, (const struct sockaddr *)&sink->path, sizeof sink->path) == 0)
        return true;
    int reason = errno;
    close(sink->fd);
    sink->fd = -1;
    errno = reason;
    return false;
}

/* The parts of "TIME LEVEL NAME[PID]: TEXT"; a line of the access log is all text. */
struct line_parts {
    int severity;
    const char *name, *text; /* name: NULL = none */
    int name_length, text_length;
    int pid;
};

static int severity_of(const char *word, size_t length)
{
    static const struct {
        const char *word;
        int severity;
    } levels[] = {
        {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strlen(levels[i].word) == length && memcmp(levels[i].word, word, length) == 0)
            return levels[i].severity;
    }
    return -1;
}

static struct line_parts take_apart(const char *line, size_t length)
{
    struct line_parts parts = {LOG_INFO, NULL, line, 0, (int)length, (int)getpid()};
    const char *end = line + length;
    const char *level = memchr(line, ' ', length);
    const char *name = level == NULL ? NULL : memchr(level + 1, ' ', (size_t)(end - level - 1));
    const char *mark = name == NULL ? NULL : memmem(name, (size_t)(end - name), "]: ", 3);
    const char *pid = mark == NULL ? NULL : memrchr(name, '[', (size_t)(mark - name));
    if (pid == NULL)
        return parts;
    int severity = severity_of(level + 1, (size_t)(name - level - 1));
    char *number_end;
    intmax_t number = strtoimax(pid + 1, &number_end, 10);
    if (severity < 0 || number_end != mark || number <= 0 || number > INT_MAX)
        return parts;
    parts.pid = (int)number;
    parts.severity = severity;
    parts.name = name + 1;
    parts.name_length = (int)(pid - name - 1);
    parts.text = mark + 3;
    parts.text_length = (int)(end - parts.text);
    return parts;
}

/* RFC 3164: local time, English months, whatever the locale. */
static size_t print_datagram(char out[SYSLOG_LINE_BYTES], int facility, const char *line,
                             size_t length)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct line_parts parts = take_apart(line, length);
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    int n = snprintf(out, SYSLOG_LINE_BYTES,
                     "<%d>%s %2d %02d:%02d:%02d gaidaros[%d]: ", facility | parts.severity,
                     months[local.tm_mon], local.tm_mday, local.tm_hour, local.tm_min,
                     local.tm_sec, parts.pid);
    if (parts.name != NULL)
        n += snprintf(out + n, SYSLOG_LINE_BYTES - (size_t)n, "%.*s: ", parts.name_length,
                      parts.name);
    n +=
        snprintf(out + n, SYSLOG_LINE_BYTES - (size_t)n, "%.*s", parts.text_length, parts.text);
    return n < SYSLOG_LINE_BYTES ? (size_t)n : SYSLOG_LINE_BYTES - 1;
}

/* When the line was made: it begins with the time, or has it as its first key. Else now. */
static void find_time(char out[CLOCK_TEXT_BYTES], const char *line, size_t length)
{
    static const char key[] = "{\"time\":\"";
    enum { TIME_BYTES = sizeof "2026-11-26T07:00:00.123Z" - 1 };
    bool is_json = length > sizeof key && memcmp(line, key, sizeof key - 1) == 0;
    const char *at = is_json ? line + sizeof key - 1 : line;
    size_t left = length - (size_t)(at - line);
    if (left > TIME_BYTES && at[10] == 'T' && at[TIME_BYTES - 1] == 'Z')
        snprintf(out, CLOCK_TEXT_BYTES, "%.*s", TIME_BYTES, at);
    else
        clock_print_utc(out, clock_wall_ns());
}

static size_t print_5424(char out[SYSLOG_LINE_BYTES], const struct line_sink *sink,
                         const char *line, size_t length)
{
    char when[CLOCK_TEXT_BYTES], head[SYSLOG5424_HEADER_BYTES];
    struct line_parts parts = take_apart(line, length);
    find_time(when, line, length);
    syslog5424_print(head, sink->facility | parts.severity, when, parts.pid, sink->word);
    bool has_name = parts.name != NULL;
    int n = snprintf(out, SYSLOG_LINE_BYTES, "%s%.*s%s%.*s", head,
                     has_name ? parts.name_length : 0, has_name ? parts.name : "",
                     has_name ? ": " : "", parts.text_length, parts.text);
    return n < SYSLOG_LINE_BYTES ? (size_t)n : SYSLOG_LINE_BYTES - 1;
}

/* One line, one datagram. That an earlier one has reached nobody is told once, by a later send. */
static enum line_sink_verdict put_server(struct line_sink *sink, const char *bytes,
                                         size_t length, size_t *taken)
{
    const char *end = memchr(bytes, '\n', length);
    size_t line_length = end != NULL ? (size_t)(end - bytes) : length;
    char datagram[SYSLOG_LINE_BYTES];
    size_t n = print_5424(datagram, sink, bytes, line_length);
    ssize_t sent = send(sink->fd, datagram, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == ECONNREFUSED) {
        sink->n_unreached++;
        sent = send(sink->fd, datagram, n, MSG_NOSIGNAL);
    }
    if (sent >= 0) {
        *taken = end != NULL ? line_length + 1 : line_length;
        return LINES_TAKEN;
    }
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? LINES_BUSY : LINES_LOST;
}

/* One line, one datagram. After a restart of the syslog daemon the old connection fails once. */
static enum line_sink_verdict put_syslog(struct line_sink *sink, const char *bytes,
                                         size_t length, size_t *taken)
{
    const char *end = memchr(bytes, '\n', length);
    size_t line_length = end != NULL ? (size_t)(end - bytes) : length;
    char datagram[SYSLOG_LINE_BYTES];
    size_t n = print_datagram(datagram, sink->facility, bytes, line_length);
    for (int tries = 0; tries < 2; tries++) {
        if (!connect_syslog(sink))
            return LINES_LOST;
        if (send(sink->fd, datagram, n, MSG_NOSIGNAL) >= 0) {
            *taken = end != NULL ? line_length + 1 : line_length;
            return LINES_TAKEN;
        }
        if (errno == EAGAIN || errno == EINTR)
            return LINES_BUSY;
        int reason = errno;
        close(sink->fd);
        sink->fd = -1;
        errno = reason;
    }
    return LINES_LOST;
}

enum line_sink_verdict line_sink_put(struct line_sink *sink, const char *bytes, size_t length,
                                     size_t *taken)
{
    *taken = 0;
    switch (sink->kind) {
    case LINES_TO_FD:
        return put_fd(sink, bytes, length, taken);
    case LINES_TO_SYSLOG:
        return put_syslog(sink, bytes, length, taken);
    case LINES_TO_SERVER:
        return put_server(sink, bytes, length, taken);
    case LINES_UNWANTED:
        *taken = length;
        return LINES_TAKEN;
    case LINES_KEPT:
        break;
    }
    return LINES_BUSY;
}

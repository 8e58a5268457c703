/* SPDX-License-Identifier: MIT */
/* The log: levels; stderr, file, pipe or syslog; repeated lines folded; never blocks. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/syslog5424.h"

/*
 * A text goes through three steps: fold (log_write) drops repetitions, compose puts time,
 * level and name before it, escapes and cuts it, deliver hands the line to the target.
 * A text whose line was lost is not remembered: its next occurrence is written, not folded.
 */

#define NAME_BYTES 32
#define CUT_MARK "..."
#define CUT_MARK_BYTES (sizeof CUT_MARK - 1)

static const char *const level_words[] = {
    [LEVEL_ERROR] = "error",
    [LEVEL_WARNING] = "warning",
    [LEVEL_INFO] = "info",
    [LEVEL_DEBUG] = "debug",
};
static const int syslog_severities[] = {
    [LEVEL_ERROR] = LOG_ERR,
    [LEVEL_WARNING] = LOG_WARNING,
    [LEVEL_INFO] = LOG_INFO,
    [LEVEL_DEBUG] = LOG_DEBUG,
};

/* The process's log: the one mutable global (see the header). */
static struct {
    char name[NAME_BYTES];
    enum log_level level;
    int fd;                         /* target; -1: syslog, or a server */
    int server_fd;                  /* the caller's; -1: none */
    int facility;                   /* of syslog */
    struct sockaddr_un syslog_path; /* where the datagrams go */
    int syslog_fd;                  /* ours; -1 while not connected */
    uint64_t syslog_retry_ns;       /* no new connection before that time */
    char last_text[LOG_LINE_BYTES]; /* as given, not escaped; folding compares with it */
    enum log_level last_level;
    bool has_last;
    uint64_t repeats; /* of the last text, not yet told */
    uint64_t dropped, dropped_taken;
} state = {.name = "gaidaros",
           .level = LEVEL_INFO,
           .fd = STDERR_FILENO,
           .server_fd = -1,
           .syslog_fd = -1};

void log_set_name(const char *name)
{
    snprintf(state.name, sizeof state.name, "%s", name);
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

enum log_level log_level(void)
{
    return state.level;
}

static void close_syslog(void)
{
    if (state.syslog_fd >= 0)
        close(state.syslog_fd);
    state.syslog_fd = -1;
}

void log_to_fd(int fd)
{
    close_syslog();
    state.fd = fd;
    state.server_fd = -1;
}

void log_to_server(int fd, int facility)
{
    log_to_fd(-1);
    state.server_fd = fd;
    state.facility = facility;
}

void log_to_syslog(int facility)
{
    log_to_syslog_at("/dev/log", facility);
}

void log_to_syslog_at(const char *path, int facility)
{
    log_to_fd(-1);
    state.facility = facility;
    state.syslog_retry_ns = 0;
    state.syslog_path = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(state.syslog_path.sun_path, sizeof state.syslog_path.sun_path, "%s", path);
}

int log_fd(void)
{
    return state.fd;
}

uint64_t log_dropped(void)
{
    return state.dropped;
}

uint64_t log_take_dropped(void)
{
    uint64_t n = state.dropped - state.dropped_taken;
    state.dropped_taken = state.dropped;
    return n;
}

/* Writes the line at once or not at all; false when it is lost. */
static bool deliver_to_fd(const char *line, size_t length)
{
    /* poll tells of a pipe without room or without reader, so that a blocking one does not hold us. */
    struct pollfd target = {.fd = state.fd, .events = POLLOUT};
    if (poll(&target, 1, 0) != 1 || target.revents != POLLOUT)
        return false;
    ssize_t written;
    do
        written = write(state.fd, line, length);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)length;
}

static bool connect_syslog(void)
{
    if (state.syslog_fd >= 0)
        return true;
    uint64_t now_ns = clock_now_ns();
    if (now_ns < state.syslog_retry_ns)
        return false;
    state.syslog_retry_ns = now_ns + CLOCK_NS_PER_S;
    state.syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (state.syslog_fd < 0)
        return false;
    if (connect(state.syslog_fd, (const struct sockaddr *)&state.syslog_path,
                sizeof state.syslog_path) < 0) {
        close_syslog();
        return false;
    }
    return true;
}

/* One datagram; after a restart of the syslog daemon the old connection fails and a new one is made. */
static bool deliver_to_syslog(const char *line, size_t length)
{
    for (int tries = 0; tries < 2 && connect_syslog(); tries++) {
        if (send(state.syslog_fd, line, length, MSG_NOSIGNAL) == (ssize_t)length)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS)
            return false;
        close_syslog();
    }
    return false;
}

/* The fault of an earlier datagram is told once, by the send after it. */
static bool deliver_to_server(const char *line, size_t length)
{
    ssize_t sent = send(state.server_fd, line, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == ECONNREFUSED) {
        state.dropped++;
        sent = send(state.server_fd, line, length, MSG_NOSIGNAL);
    }
    return sent == (ssize_t)length;
}

/* What stands before the text in a line of ours. Returns its length. */
static size_t print_header(char *out, size_t capacity, enum log_level level)
{
    char when[CLOCK_TEXT_BYTES];
    clock_print_utc(when, clock_wall_ns());
    return (size_t)snprintf(out, capacity, "%s %s %s[%d]: ", when, level_words[level],
                            state.name, (int)getpid());
}

/* The same for syslog (RFC 3164, local time): the tag may hold no blank, so our name follows it. */
static size_t print_syslog_header(char *out, size_t capacity, enum log_level level)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    return (size_t)snprintf(out, capacity, "<%d>%s %2d %02d:%02d:%02d gaidaros[%d]: %s: ",
                            state.facility | syslog_severities[level], months[local.tm_mon],
                            local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                            (int)getpid(), state.name);
}

static size_t print_server_header(char *out, size_t capacity, enum log_level level)
{
    char when[CLOCK_TEXT_BYTES], prefix[SYSLOG5424_HEADER_BYTES];
    clock_print_utc(when, clock_wall_ns());
    syslog5424_print(prefix, state.facility | syslog_severities[level], when, (int)getpid(),
                     "log");
    return (size_t)snprintf(out, capacity, "%s%s: ", prefix, state.name);
}

/*
 * Appends the text, control bytes as \xHH, and cuts it where the line would grow beyond
 * capacity, never within an escape or a UTF-8 character. Returns the line's new length.
 */
static size_t add_text(char *line, size_t length, size_t capacity, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t cut_at = length;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        bool is_control = byte < 0x20 || byte == 0x7f;
        bool starts_character = (byte & 0xc0) != 0x80;
        if (starts_character && length + CUT_MARK_BYTES <= capacity)
            cut_at = length;
        if (length + (is_control ? 4 : 1) > capacity) {
            memcpy(line + cut_at, CUT_MARK, CUT_MARK_BYTES);
            return cut_at + CUT_MARK_BYTES;
        }
        if (is_control) {
            line[length++] = '\\';
            line[length++] = 'x';
            line[length++] = digits[byte >> 4];
            line[length++] = digits[byte & 15];
        } else {
            line[length++] = (char)byte;
        }
    }
    return length;
}

/* Writes one line; false when it is lost. */
static bool emit(enum log_level level, const char *text)
{
    char line[LOG_LINE_BYTES];
    bool delivered;
    if (state.server_fd >= 0) {
        size_t length = print_server_header(line, sizeof line, level);
        length = add_text(line, length, sizeof line, text);
        delivered = deliver_to_server(line, length);
    } else if (state.fd < 0) {
        size_t length = print_syslog_header(line, sizeof line, level);
        length = add_text(line, length, sizeof line, text);
        delivered = deliver_to_syslog(line, length);
    } else {
        size_t length = print_header(line, sizeof line, level);
        length = add_text(line, length, sizeof line - 1, text);
        line[length++] = '\n';
        delivered = deliver_to_fd(line, length);
    }
    if (!delivered)
        state.dropped++;
    return delivered;
}

static void emit_repeats(void)
{
    if (state.repeats == 0)
        return;
    char text[64];
    snprintf(text, sizeof text, "last line repeated %" PRIu64 " times", state.repeats);
    state.repeats = 0;
    emit(state.last_level, text);
}

static void log_write(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void log_write(enum log_level level, const char *format, va_list arguments)
{
    if (level > state.level)
        return;
    int caller_errno = errno;
    char text[LOG_LINE_BYTES]; /* what it cuts, the shorter room in the line would cut too */
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        snprintf(text, sizeof text, "%s", format);
    if (state.has_last && level == state.last_level && strcmp(text, state.last_text) == 0) {
        state.repeats++;
    } else {
        emit_repeats();
        state.has_last = emit(level, text);
        state.last_level = level;
        memcpy(state.last_text, text, strlen(text) + 1);
    }
    errno = caller_errno;
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(LEVEL_ERROR, format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(LEVEL_WARNING, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(LEVEL_INFO, format, arguments);
    va_end(arguments);
}

void log_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(LEVEL_DEBUG, format, arguments);
    va_end(arguments);
}

void log_flush(void)
{
    /* A text that has rested from one flush to the next is news again when it comes back. */
    if (state.repeats == 0)
        state.has_last = false;
    emit_repeats();
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
    if (now_ns < limit->next_ns) {
        limit->suppressed++;
        return false;
    }
    limit->next_ns = now_ns + CLOCK_NS_PER_S;
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

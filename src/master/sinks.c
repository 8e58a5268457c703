/* SPDX-License-Identifier: MIT */
/* Where log and access log end, and the pipes by which lines get to their writer. */
#include "master/sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/directives.h"

enum { PIPE_BYTES = 1 << 20 };

static const char *open_fault(void)
{
    if (errno == ELOOP)
        return "is a symbolic link, which is not followed";
    return errno == ENXIO ? "is a socket" : strerror(errno);
}

/*
 * Nothing here may wait for a reader: a fifo that is open for reading too can always be opened, and
 * a write to it never ends in SIGPIPE; with nobody there it fills and then takes no more.
 */
static int open_once(const char *path, int access)
{
    return open(path,
                access | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CREAT,
                0640);
}

/* Opens or makes a log file; a symbolic link could lead root anywhere. -1 with *why. */
static int open_file(const char *path, const char **why)
{
    struct stat info;
    bool is_fifo = lstat(path, &info) == 0 && S_ISFIFO(info.st_mode);
    int fd = open_once(path, is_fifo ? O_RDWR : O_WRONLY);
    if (fd < 0) {
        *why = open_fault();
        return -1;
    }
    if (fstat(fd, &info) == 0 &&
        (S_ISREG(info.st_mode) || S_ISCHR(info.st_mode) || (is_fifo && S_ISFIFO(info.st_mode))))
        return fd;
    *why = "is neither a file nor a fifo";
    close(fd);
    return -1;
}

/* Where datagrams to a syslog server leave; nothing is sent yet. -1 with *why. */
static int open_server(const struct addr *server, const char **why)
{
    int fd = socket(server->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, &server->any, server->length) == 0)
        return fd;
    *why = strerror(errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_sink(struct sink *sink, const struct log_target *target,
                     const struct model *model, const struct directive *row,
                     struct problems *problems)
{
    *sink = (struct sink){.kind = target->kind, .facility = target->facility};
    sink->fd = target->kind == LOGS_STDERR ? STDERR_FILENO : -1;
    if (target->kind != LOGS_FILE && target->kind != LOGS_SYSLOG_UDP)
        return 0;
    const char *why = NULL, *name = target->path;
    char server[ADDR_TEXT_BYTES];
    if (target->kind == LOGS_FILE)
        sink->fd = open_file(target->path, &why);
    else
        sink->fd = open_server(&target->server, &why);
    if (sink->fd >= 0)
        return 0;
    if (target->kind == LOGS_SYSLOG_UDP)
        name = addr_print(server, &target->server);
    const struct origin origin = store_global_origin(model->store, row);
    problems_add(problems, &origin, "global", row->key, "%s %s", name, why);
    *sink = (struct sink){0};
    return -1;
}

static void close_sink(struct sink *sink)
{
    if (sink->kind == LOGS_FILE || sink->kind == LOGS_SYSLOG_UDP)
        close(sink->fd);
    *sink = (struct sink){0};
}

int sinks_open(struct sinks *sinks, const struct model *model, bool is_daemon,
               struct problems *problems)
{
    struct log_target log = model->global.log;
    if (is_daemon && log.kind == LOGS_STDERR)
        log = (struct log_target){.kind = LOGS_SYSLOG, .facility = LOG_DAEMON};
    if (open_sink(&sinks->log, &log, model, DIRECTIVE_OF(SECTION_GLOBAL, model_global, log),
                  problems) != 0)
        return -1;
    if (open_sink(&sinks->access, &model->global.access_log, model,
                  DIRECTIVE_OF(SECTION_GLOBAL, model_global, access_log), problems) == 0)
        return 0;
    close_sink(&sinks->log);
    return -1;
}

int sinks_reopen(struct sinks *sinks, const struct model *model, bool is_daemon,
                 struct problems *problems)
{
    struct sinks fresh = {0};
    if (sinks_open(&fresh, model, is_daemon, problems) != 0)
        return -1;
    sinks_close(sinks);
    *sinks = fresh;
    return 0;
}

void sinks_close(struct sinks *sinks)
{
    close_sink(&sinks->log);
    close_sink(&sinks->access);
}

void sinks_use(const struct sinks *sinks)
{
    if (sinks->log.kind == LOGS_SYSLOG)
        log_to_syslog(sinks->log.facility);
    else if (sinks->log.kind == LOGS_SYSLOG_UDP)
        log_to_server(sinks->log.fd, sinks->log.facility);
    else
        log_to_fd(sinks->log.fd);
}

static int open_pipe(int out[2])
{
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    /* More room is welcome; less does as well. */
    (void)!fcntl(out[0], F_SETPIPE_SZ, PIPE_BYTES);
    return 0;
}

int line_pipes_open(struct line_pipes *pipes)
{
    *pipes = (struct line_pipes){{-1, -1}, {-1, -1}};
    return open_pipe(pipes->log) == 0 && open_pipe(pipes->access) == 0 ? 0 : -1;
}

/* Syslog gets no leftovers: its writer would have to take the lines apart again. */
static void drain(int from, const struct sink *sink)
{
    char bytes[16384];
    for (;;) {
        ssize_t length = from >= 0 ? read(from, bytes, sizeof bytes) : 0;
        if (length <= 0)
            return;
        if (sink->kind == LOGS_FILE || sink->kind == LOGS_STDERR)
            (void)!write(sink->fd, bytes, (size_t)length);
    }
}

void line_pipes_close(struct line_pipes *pipes, const struct sinks *sinks)
{
    drain(pipes->log[0], &sinks->log);
    drain(pipes->access[0], &sinks->access);
    for (int i = 0; i < 2; i++) {
        if (pipes->log[i] >= 0)
            close(pipes->log[i]);
        if (pipes->access[i] >= 0)
            close(pipes->access[i]);
    }
    *pipes = (struct line_pipes){{-1, -1}, {-1, -1}};
}

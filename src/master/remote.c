/* SPDX-License-Identifier: MIT */
/* gaidaros -s ORDER: tells the running daemon what to do, and whether it did. */
#include "master/remote.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/pidfile.h"
#include "master/procstat.h"

/* The daemon that is meant. */
struct target {
    pid_t pid;
    int pidfd;         /* owned */
    char control[108]; /* "" = unknown or none */
    /* How long it may take to end, and to reload, as far as its configuration can be read. */
    int64_t patience_ms, reload_ms;
};

enum {
    PATIENCE_GUESS_MS = 40000,
    STOP_SLACK_MS =
        10000, /* beyond drain_timeout, and stuck_timeout to find and kill stuck workers */
    RELOAD_LEAST_MS = 20000,
    ANSWER_MOST = 1 << 20
};

static const char default_pidfile[] = "/run/gaidaros/gaidaros.pid";

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "gaidaros: %s%s%s\n", what, why != NULL ? ": " : "",
            why != NULL ? why : "");
    return 1;
}

/* What the configuration tells: where pidfile and control socket are. Returns an exit status. */
static int read_configuration(const struct options *options, const struct conf_request *request,
                              struct target *target, struct text *pidfile)
{
    struct problems problems = {0};
    bool is_default = options->config == NULL;
    text_add(pidfile, options->pidfile != NULL ? options->pidfile : default_pidfile);
    if (is_default && access(request->path, F_OK) != 0)
        return 0;
    struct model *model = conf_load(request, &problems);
    if (model != NULL) {
        text_clear(pidfile);
        text_add(pidfile, model->global.pidfile);
        if (strlen(model->global.control) < sizeof target->control)
            memcpy(target->control, model->global.control, strlen(model->global.control) + 1);
        target->patience_ms =
            model->global.drain_timeout_ms + model->global.stuck_timeout_ms + STOP_SLACK_MS;
        /* Who does not prepare it in time is replaced, and so is who does not commit it. */
        target->reload_ms = RELOAD_LEAST_MS + 3 * model->global.stuck_timeout_ms;
        conf_free(model);
    } else if (strcmp(options->order, "reload") == 0) {
        fputs(problems.errors.at, stderr);
        problems_fini(&problems);
        return 3;
    } else if (options->pidfile == NULL) {
        fputs(problems.errors.at, stderr);
        fprintf(stderr,
                "gaidaros: the configuration cannot be read, so its pidfile is unknown; "
                "name it with -P\n");
        problems_fini(&problems);
        return 3;
    }
    problems_fini(&problems);
    if (pidfile->length == 0)
        return fail("the configuration names no pidfile: the daemon cannot be found", NULL);
    return 0;
}

static int find_daemon(const char *path, struct target *target)
{
    struct text error = {0};
    target->pid = pidfile_find(path, &error);
    if (target->pid > 0) {
        target->pidfd = (int)syscall(SYS_pidfd_open, target->pid, 0);
        if (target->pidfd >= 0)
            return 0;
        return fail("pidfd_open", strerror(errno));
    }
    if (target->pid == 0)
        text_printf(&error, "no daemon runs (pidfile %s)", path);
    int result = fail(error.at, NULL);
    text_fini(&error);
    return result;
}

static int send_signal(const struct target *target, int number)
{
    if (syscall(SYS_pidfd_send_signal, target->pidfd, number, NULL, 0) == 0)
        return 0;
    return fail("cannot signal the daemon", strerror(errno));
}

/* True when the process ended within so many milliseconds; -1 = wait for ever. */
static bool wait_end(const struct target *target, int64_t ms)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)(ms > 0 ? ms : 0) * CLOCK_NS_PER_MS;
    for (;;) {
        struct pollfd one = {.fd = target->pidfd, .events = POLLIN};
        uint64_t now_ns = clock_now_ns();
        int left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / CLOCK_NS_PER_MS) + 1 : 0;
        int n = poll(&one, 1, ms < 0 ? -1 : left_ms);
        if (n > 0)
            return true;
        if (n == 0)
            return false;
    }
}

/* Ends a daemon for sure: asked, urged, killed. */
static int stop(const struct target *target)
{
    if (send_signal(target, SIGTERM) != 0)
        return 1;
    if (wait_end(target, target->patience_ms))
        return 0;
    fprintf(stderr, "gaidaros: the daemon does not end; it is urged\n");
    send_signal(target, SIGTERM);
    if (wait_end(target, STOP_SLACK_MS / 2))
        return 0;
    fprintf(stderr, "gaidaros: the daemon does not end; it is killed\n");
    send_signal(target, SIGKILL);
    return wait_end(target, STOP_SLACK_MS) ? 0 : 1;
}

/* ---- reload and reopen, by the control socket ---- */

/*
 * Connects, and makes sure that it is the very daemon of the pidfile who listens: its master or,
 * once the director serves the socket, a child of it. -1 if not.
 */
static int connect_control(const struct target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    struct procstat peer_stat;
    socklen_t length = sizeof peer;
    if (target->control[0] == '\0')
        return -1;
    memcpy(address.sun_path, target->control, sizeof target->control);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
        (peer.pid == target->pid ||
         (procstat_read(peer.pid, &peer_stat) && peer_stat.parent == target->pid)))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A thing that master does and tells the end of. */
struct task {
    const char *call;  /* of the API */
    int signal;        /* the same without an answer */
    const char *asked; /* "told to …" */
    const char *done, *failed;
};

static int exchange(int fd, const struct task *task, struct text *answer)
{
    char request[256];
    int n = snprintf(request, sizeof request,
                     "POST /api/%s HTTP/1.0\r\nHost: localhost\r\n"
                     "Content-Type: application/json\r\nContent-Length: 2\r\n"
                     "Connection: close\r\n\r\n{}",
                     task->call);
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        return -1;
    while (answer->length < ANSWER_MOST) {
        char bytes[4096];
        ssize_t length = recv(fd, bytes, sizeof bytes, 0);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            return length < 0 || answer->length == 0 ? -1 : 0;
        text_append(answer, bytes, (size_t)length);
    }
    return -1;
}

/* Says what the answer says. Returns the exit status. */
static int report(const struct text *answer, const struct task *task)
{
    const char *body = strstr(answer->at, "\r\n\r\n");
    json_t *result = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;
    if (result == NULL)
        return fail("the daemon's answer cannot be understood", NULL);
    int status = json_is_true(json_object_get(result, "ok")) ? 0 : 1;
    const char *error = json_string_value(json_object_get(result, "error"));
    const char *message = json_string_value(json_object_get(result, "message"));
    if (status != 0)
        fail(task->failed, error);
    else
        printf("%s%s%s\n", task->done, message != NULL ? ": " : "",
               message != NULL ? message : "");
    json_decref(result);
    return status;
}

/* Without an answer: the way that needs nobody but master. */
static int order_by_signal(const struct target *target, const struct task *task,
                           const char *why)
{
    if (send_signal(target, task->signal) != 0)
        return 1;
    printf("told to %s; %s only its log tells how that went\n", task->asked, why);
    return 0;
}

static int ask_for(const struct target *target, const struct task *task)
{
    struct text answer = {0};
    int fd = connect_control(target);
    if (fd < 0)
        return order_by_signal(target, task, "without a control socket");
    const struct timeval limit = {.tv_sec = target->reload_ms / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int status = exchange(fd, task, &answer) == 0
                     ? report(&answer, task)
                     : order_by_signal(target, task, "its control socket gives no answer, and");
    text_fini(&answer);
    close(fd);
    return status;
}

int remote_order(const struct options *options, const struct conf_request *request)
{
    static const struct task reload = {"reload", SIGHUP, "reload", "reloaded",
                                       "the reload failed, the daemon serves on as before"};
    static const struct task reopen = {"closeLog", SIGUSR1, "reopen its logs", "done",
                                       "the logs are not reopened, the old ones go on"};
    struct target target = {
        .pidfd = -1, .patience_ms = PATIENCE_GUESS_MS, .reload_ms = RELOAD_LEAST_MS};
    struct text pidfile = {0};
    int status = read_configuration(options, request, &target, &pidfile);
    if (status == 0)
        status = find_daemon(pidfile.at, &target);
    text_fini(&pidfile);
    if (status != 0)
        return status;
    if (strcmp(options->order, "reload") == 0)
        status = ask_for(&target, &reload);
    else if (strcmp(options->order, "reopen") == 0)
        status = ask_for(&target, &reopen);
    else if (strcmp(options->order, "stop") == 0)
        status = stop(&target);
    else if ((status = send_signal(&target, SIGQUIT)) == 0)
        wait_end(&target, -1);
    close(target.pidfd);
    return status;
}

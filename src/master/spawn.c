/* SPDX-License-Identifier: MIT */
/* Starts a child: fork, privileges dropped, exec of the binary opened at start. */
#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "share/channel.h"

enum {
    OOM_LOWER_BY = 500,
    OOM_APART = 100, /* at least so much between master and workers */
    OOM_LEAST = -1000,
    OOM_MOST = 1000,
    EXEC_FAILED = 127
};

static const char oom_path[] = "/proc/self/oom_score_adj";

static bool write_score(int fd, int score)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d", score);
    return pwrite(fd, text, (size_t)n, 0) == n;
}

/*
 * The kernel shall rather take a worker, which is replaced, than what replaces it: this process
 * and the director get a lower score, or, where that is not allowed, workers a higher one.
 */
static void arrange_oom_scores(struct spawn *spawn)
{
    char text[16] = {0};
    int fd = open(oom_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0) {
        int own = (int)strtol(text, NULL, 10);
        int lower = own - OOM_LOWER_BY > OOM_LEAST ? own - OOM_LOWER_BY : OOM_LEAST;
        if (!write_score(fd, lower))
            lower = own;
        int workers = own > lower + OOM_APART ? own : lower + OOM_APART;
        snprintf(spawn->oom_score_adj, sizeof spawn->oom_score_adj, "%d",
                 workers < OOM_MOST ? workers : OOM_MOST);
    }
    close(fd);
}

int spawn_init(struct spawn *spawn)
{
    *spawn = (struct spawn){0};
    spawn->binary_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (spawn->binary_fd < 0)
        return -1;
    arrange_oom_scores(spawn);
    return 0;
}

void spawn_fini(struct spawn *spawn)
{
    close(spawn->binary_fd);
    spawn->binary_fd = -1;
}

/* Async-signal-safe: what a child says before it is itself. */
static _Noreturn void give_up(const char *what)
{
    char line[160];
    int length = snprintf(line, sizeof line, "gaidaros: child: %s: errno %d\n", what, errno);
    (void)!write(STDERR_FILENO, line, (size_t)length);
    _exit(EXEC_FAILED);
}

/*
 * Children learn everything by their channel. What a terminal or `pkill gaidaros` sends to all of
 * us is master's to decide; SIGPIPE is ignored because splice(2) has no flag against it, SIGXFSZ
 * because a log that may not grow is no reason to die.
 */
static void reset_signals(void)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
    for (int number = 1; number < SIGRTMAX; number++)
        signal(number, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_oom_score(const struct spawn *spawn)
{
    int fd = open(oom_path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, spawn->oom_score_adj, strlen(spawn->oom_score_adj));
    close(fd);
}

/* 0, 1: /dev/null; 2: kept; 3: the channel; 4: the binary, closed by exec; nothing else. */
static int arrange_descriptors(const struct spawn *spawn, int channel_fd)
{
    int binary = fcntl(spawn->binary_fd, F_DUPFD_CLOEXEC, 16);
    int channel = fcntl(channel_fd, F_DUPFD_CLOEXEC, 16);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (binary < 0 || channel < 0 || null < 0)
        give_up("descriptors");
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (spawn->is_daemon)
        dup2(null, STDERR_FILENO);
    dup2(channel, CHANNEL_CHILD_FD);
    dup3(binary, CHANNEL_CHILD_FD + 1, O_CLOEXEC);
    syscall(SYS_close_range, CHANNEL_CHILD_FD + 2, UINT_MAX, 0);
    return CHANNEL_CHILD_FD + 1;
}

static _Noreturn void run_child(const struct spawn *spawn, char *const argv[], int channel_fd,
                                bool is_worker)
{
    reset_signals();
    int binary = arrange_descriptors(spawn, channel_fd);
    if (is_worker && spawn->oom_score_adj[0] != '\0')
        set_oom_score(spawn);
    if (account_become(&spawn->account, is_worker && spawn->is_transparent) != 0)
        give_up("cannot drop privileges");
    syscall(SYS_execveat, binary, "", argv, environ, AT_EMPTY_PATH);
    give_up("cannot run the opened binary");
}

pid_t spawn_start(const struct spawn *spawn, char *const argv[], int channel_fd, bool is_worker)
{
    /* A signal between fork and exec would run master's handler on the child's copy of the loop. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        run_child(spawn, argv, channel_fd, is_worker);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

/* SPDX-License-Identifier: MIT */
/* Going into the background, and telling who waits for it how that went. */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { READY_TIMEOUT_MS = 60000 };

void daemon_fill_standard(void)
{
    /* open(2) takes the lowest free number, so the descriptors fill up in order. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR);
}

static void put_on_null(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, fd);
    close(null);
}

/* Waits for the byte that says ready, or for the end of the daemon. */
static _Noreturn void wait_for(int ready_fd, pid_t daemon)
{
    uint64_t end_ns = clock_now_ns() + READY_TIMEOUT_MS * CLOCK_NS_PER_MS;
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        int left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / CLOCK_NS_PER_MS) + 1 : 0;
        struct pollfd one = {.fd = ready_fd, .events = POLLIN};
        int n = poll(&one, 1, left_ms);
        if (n < 0 && errno == EINTR)
            continue;
        char byte;
        if (n > 0 && read(ready_fd, &byte, 1) == 1)
            _exit(0);
        if (n == 0) {
            (void)!dprintf(STDERR_FILENO, "gaidaros: not ready within %d s, stopped\n",
                           READY_TIMEOUT_MS / 1000);
            kill(daemon, SIGTERM);
        }
        int status = 0;
        while (waitpid(daemon, &status, 0) < 0 && errno == EINTR)
            continue;
        if (n == 0 || !WIFEXITED(status))
            _exit(1);
        /* It ended in good order before it was ready: somebody stopped it. */
        _exit(WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
    }
}

int daemon_detach(void)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        close(ready[0]);
        close(ready[1]);
        return -1;
    }
    if (pid > 0) {
        close(ready[1]);
        wait_for(ready[0], pid);
    }
    close(ready[0]);
    setsid();
    (void)!chdir("/");
    put_on_null(STDIN_FILENO);
    put_on_null(STDOUT_FILENO);
    return ready[1];
}

void daemon_ready(int ready_fd)
{
    put_on_null(STDERR_FILENO);
    (void)!write(ready_fd, "", 1);
    close(ready_fd);
}

/* SPDX-License-Identifier: MIT */
/* The control socket: made by master, served by the director. */
#include "master/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { CONTROL_BACKLOG = 64, RETRY_MS = 10, PATIENCE_MS = 1500 };

static int fail(struct text *error, const char *path, const char *why)
{
    text_printf(error, "control socket %s: %s", path, why);
    return -1;
}

/* True when somebody listens there; a full backlog counts. */
static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool is_live = result == 0 || (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return is_live;
}

/* The director of a master that was killed just now answers until it has noticed. */
static bool is_answered_still(const struct sockaddr_un *address)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * (long)CLOCK_NS_PER_MS};
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    while (is_answered(address)) {
        if (clock_now_ns() >= end_ns)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Takes a stale socket file away. */
static int clear_way(const struct sockaddr_un *address, struct text *error)
{
    const char *path = address->sun_path;
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? 0 : fail(error, path, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return fail(error, path, "exists and is not a socket");
    if (is_answered_still(address))
        return fail(error, path, "another daemon answers there");
    if (unlink(path) != 0 && errno != ENOENT)
        return fail(error, path, strerror(errno));
    return 0;
}

int control_open(struct control *control, const char *path, struct text *error)
{
    *control = (struct control){.fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return fail(error, path, "the path is longer than a socket's may be");
    memcpy(address.sun_path, path, strlen(path));
    if (clear_way(&address, error) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat info;
    /* The file takes its mode from the socket, so that it never is open to others. */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        fail(error, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    control->path = strdup(path);
    if (control->path == NULL || listen(fd, CONTROL_BACKLOG) != 0 || lstat(path, &info) != 0) {
        fail(error, path, strerror(errno));
        unlink(path);
        free(control->path);
        control->path = NULL;
        close(fd);
        return -1;
    }
    control->fd = fd;
    control->device = info.st_dev;
    control->inode = info.st_ino;
    return 0;
}

void control_close(struct control *control)
{
    if (control->fd < 0)
        return;
    struct stat info;
    if (lstat(control->path, &info) == 0 && info.st_dev == control->device &&
        info.st_ino == control->inode)
        unlink(control->path);
    close(control->fd);
    free(control->path);
    *control = (struct control){.fd = -1};
}

/* SPDX-License-Identifier: MIT */
/* The locked pidfile: its lock, not its existence, tells whether a daemon runs. */
#include "master/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "master/procstat.h"

enum { LEFT_OVER_PAUSE_MS = 5, LEFT_OVER_MOST_MS = 1000 };

static int fail(struct text *error, const char *path, const char *why)
{
    text_printf(error, "pidfile %s: %s", path, why);
    return -1;
}

/* O_NONBLOCK so that a fifo cannot hold us; it is refused by is_plain_file. */
static int open_file(const char *path, int flags, struct text *error)
{
    int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd >= 0)
        return fd;
    fail(error, path, errno == ELOOP ? "is a symbolic link" : strerror(errno));
    return -1;
}

static bool is_plain_file(int fd, const char *path, struct stat *info, struct text *error)
{
    const char *why = NULL;
    if (fstat(fd, info) != 0)
        why = strerror(errno);
    else if (!S_ISREG(info->st_mode))
        why = "is not a regular file";
    else if (info->st_nlink > 1) /* a second name may be somebody else's trap */
        why = "has more than one name (hard links)";
    if (why != NULL)
        fail(error, path, why);
    return why == NULL;
}

static bool is_still_there(const char *path, const struct stat *info)
{
    struct stat now;
    return lstat(path, &now) == 0 && now.st_dev == info->st_dev && now.st_ino == info->st_ino;
}

static int write_pid(int fd)
{
    char line[32];
    int length = snprintf(line, sizeof line, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || fchmod(fd, 0644) != 0)
        return -1;
    return pwrite(fd, line, (size_t)length, 0) == length ? 0 : -1;
}

/* The number in the file, or -1. */
static pid_t read_pid(int fd)
{
    char line[32] = {0};
    ssize_t length = pread(fd, line, sizeof line - 1, 0);
    if (length <= 0)
        return -1;
    line[strcspn(line, "\n")] = '\0';
    int64_t number;
    if (units_parse_number(line, &number) != 0 || number < 2 || number > INT32_MAX)
        return -1;
    return (pid_t)number;
}

/* True while nobody runs who could hold the lock: the last thread of a process that was killed is about to let it go. */
static bool is_left_over(int fd)
{
    struct procstat stat;
    pid_t pid = read_pid(fd);
    return pid > 0 && (!procstat_read(pid, &stat) || stat.state == 'Z' || stat.state == 'X');
}

/* 0, or -1 with errno. */
static int take_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LEFT_OVER_PAUSE_MS * 1000000L};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result, error, waited_ms = 0;
    while ((result = fcntl(fd, F_OFD_SETLK, &lock)) != 0) {
        error = errno;
        bool is_held = error == EAGAIN || error == EACCES;
        if (!is_held || waited_ms >= LEFT_OVER_MOST_MS || !is_left_over(fd)) {
            errno = error;
            break;
        }
        nanosleep(&pause, NULL);
        waited_ms += LEFT_OVER_PAUSE_MS;
    }
    return result;
}

static void fail_lock(struct text *error, const char *path, int fd)
{
    bool is_held = errno == EAGAIN || errno == EACCES;
    text_printf(error, "pidfile %s: %s", path,
                is_held ? "a daemon is running already" : strerror(errno));
    pid_t pid = is_held ? read_pid(fd) : -1;
    if (pid > 0)
        text_printf(error, ", as process %d", (int)pid);
}

int pidfile_open(struct pidfile *pidfile, const char *path, struct text *error)
{
    *pidfile = (struct pidfile){.fd = -1};
    /* Whoever ends while we wait for the lock unlinks the file under us: then again, a few times. */
    for (int tries = 0; tries < 10; tries++) {
        int fd = open_file(path, O_RDWR | O_CREAT, error);
        if (fd < 0)
            return -1;
        struct stat info;
        if (!is_plain_file(fd, path, &info, error)) {
            close(fd);
            return -1;
        }
        if (take_lock(fd) != 0) {
            fail_lock(error, path, fd);
            close(fd);
            return -1;
        }
        if (!is_still_there(path, &info)) {
            close(fd);
            continue;
        }
        pidfile->left = read_pid(fd);
        pidfile->fd = fd;
        pidfile->path = strdup(path);
        if (pidfile->path != NULL && write_pid(fd) == 0)
            return 0;
        fail(error, path, strerror(errno));
        unlink(path);
        free(pidfile->path);
        *pidfile = (struct pidfile){.fd = -1};
        close(fd);
        return -1;
    }
    return fail(error, path, "changes all the time");
}

void pidfile_close(struct pidfile *pidfile)
{
    if (pidfile->fd < 0)
        return;
    struct stat info;
    if (fstat(pidfile->fd, &info) == 0 && is_still_there(pidfile->path, &info))
        unlink(pidfile->path);
    close(pidfile->fd);
    free(pidfile->path);
    *pidfile = (struct pidfile){.fd = -1};
}

pid_t pidfile_find(const char *path, struct text *error)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fail(error, path, errno == ELOOP ? "is a symbolic link" : strerror(errno));
    struct stat info;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = -1;
    if (!is_plain_file(fd, path, &info, error))
        pid = -1;
    else if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        fail(error, path, strerror(errno));
    else if (lock.l_type == F_UNLCK)
        pid = 0;
    else if ((pid = read_pid(fd)) < 0)
        fail(error, path, "is held by a daemon that has not written its number yet");
    close(fd);
    return pid;
}

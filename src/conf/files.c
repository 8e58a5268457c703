/* SPDX-License-Identifier: MIT */
/* Configuration files as bytes: opened without waiting, refused when they cannot be trusted; includes found. */
#include "conf/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

void file_bytes_fini(struct file_bytes *file)
{
    if (file->bytes != NULL) /* it may have held a key */
        explicit_bzero(file->bytes, file->length);
    free(file->bytes);
    *file = (struct file_bytes){0};
}

bool file_is_open(const struct file_bytes *file)
{
    return (file->mode & S_IROTH) != 0;
}

static const char *type_word(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "no regular file";
}

static struct file_stamp stamp_of(const struct stat *status)
{
    return (struct file_stamp){.changed_ns =
                                   (int64_t)status->st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S +
                                   status->st_mtim.tv_nsec,
                               .inode = status->st_ino,
                               .length = (uint64_t)status->st_size};
}

bool file_examine_stamp(const char *path, struct file_stamp *out)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    *out = stamp_of(&status);
    return true;
}

/* Is it a file that can be read, and that only its owner can change? */
static int file_examine(int fd, struct file_bytes *out, struct text *why)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        text_printf(why, "cannot be examined: %s", strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        text_printf(why, "is %s, not a regular file", type_word(status.st_mode));
        return -1;
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        text_printf(why, "may be written by others than its owner (mode %04o): chmod go-w",
                    (unsigned)(status.st_mode & 07777));
        return -1;
    }
    if (status.st_size > FILES_MOST_BYTES) {
        text_printf(why, "is larger than %d MiB", FILES_MOST_BYTES >> 20);
        return -1;
    }
    out->device = status.st_dev;
    out->inode = status.st_ino;
    out->owner = status.st_uid;
    out->mode = status.st_mode & 07777;
    out->stamp = stamp_of(&status);
    return 0;
}

/* The file may grow while it is read, or be one whose size is not told. */
static int file_take(int fd, struct file_bytes *out, struct text *why)
{
    size_t capacity = 0;
    for (;;) {
        if (out->length == capacity) {
            capacity = capacity == 0 ? 65536 : capacity * 2;
            char *grown = realloc(out->bytes, capacity);
            if (grown == NULL) {
                text_add(why, "out of memory");
                return -1;
            }
            out->bytes = grown;
        }
        ssize_t taken = read(fd, out->bytes + out->length, capacity - out->length);
        if (taken == 0)
            return 0;
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0) {
            text_printf(why, "cannot be read: %s", strerror(errno));
            return -1;
        }
        out->length += (size_t)taken;
        if (out->length > FILES_MOST_BYTES) {
            text_printf(why, "is larger than %d MiB", FILES_MOST_BYTES >> 20);
            return -1;
        }
    }
}

int file_read(const char *path, int flags, struct file_bytes *out, struct text *why)
{
    *out = (struct file_bytes){0};
    /* Opening must not wait for a FIFO's writer nor make a terminal ours. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
    if (fd < 0) {
        text_printf(why, "cannot be opened: %s", strerror(errno));
        return -1;
    }
    int result = file_examine(fd, out, why) == 0 ? file_take(fd, out, why) : -1;
    close(fd);
    if (result != 0)
        file_bytes_fini(out);
    return result;
}

char *file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return realpath(".", NULL);
    char *named = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (named == NULL)
        return NULL;
    char *folder = realpath(named, NULL);
    free(named);
    return folder;
}

void file_list_fini(struct file_list *list)
{
    for (size_t i = 0; list->paths != NULL && i < list->n; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){0};
}

static int compare_paths(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* True when path lies below folder; both are absolute without links. */
static bool is_below(const char *folder, const char *path)
{
    size_t length = strlen(folder);
    if (length > 0 && folder[length - 1] == '/')
        length--;
    return strncmp(folder, path, length) == 0 && path[length] == '/';
}

/* The pattern as glob(3) wants it: the folder's own characters mean themselves. */
static char *whole_pattern(const char *folder, const char *pattern)
{
    struct text whole = {0};
    for (const char *c = folder; pattern[0] != '/' && *c != '\0'; c++) {
        if (strchr("*?[]\\", *c) != NULL)
            text_append(&whole, "\\", 1);
        text_append(&whole, c, 1);
    }
    if (pattern[0] != '/')
        text_append(&whole, "/", 1);
    text_add(&whole, pattern);
    return text_take(&whole);
}

static int list_add(struct file_list *list, const char *folder, const char *path,
                    struct text *why)
{
    char *real = realpath(path, NULL);
    if (real == NULL) {
        text_printf(why, "%s cannot be found: %s", path, strerror(errno));
        return -1;
    }
    if (!is_below(folder, real)) {
        text_printf(why, "%s does not lie below %s", path, folder);
        free(real);
        return -1;
    }
    list->paths[list->n++] = real;
    return 0;
}

int file_find_includes(const char *folder, const char *pattern, struct file_list *out,
                       struct text *why)
{
    *out = (struct file_list){0};
    errno = 0;
    bool is_pattern = strpbrk(pattern, "*?[") != NULL;
    char *whole = whole_pattern(folder, pattern);
    glob_t found = {0};
    /* Sorted below: glob would sort by the locale, so that it decided the order. */
    int result =
        whole == NULL ? GLOB_NOSPACE : glob(whole, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    free(whole);
    /* A folder of the pattern that is not there is told as an error by glob: it matches nothing. */
    bool has_nothing = result == GLOB_NOMATCH ||
                       (result == GLOB_ABORTED && (errno == ENOENT || errno == ENOTDIR));
    if (has_nothing && is_pattern) {
        globfree(&found);
        return 0;
    }
    if (has_nothing) {
        globfree(&found);
        text_printf(why, "%s does not exist", pattern);
        return -1;
    }
    if (result != 0) {
        globfree(&found);
        text_printf(why, "%s cannot be looked up: %s", pattern, strerror(errno));
        return -1;
    }
    out->paths = calloc(found.gl_pathc, sizeof *out->paths);
    if (out->paths == NULL) {
        globfree(&found);
        text_add(why, "out of memory");
        return -1;
    }
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
        result = list_add(out, folder, found.gl_pathv[i], why);
    globfree(&found);
    if (result != 0)
        file_list_fini(out);
    else
        qsort(out->paths, out->n, sizeof *out->paths, compare_paths);
    return result;
}

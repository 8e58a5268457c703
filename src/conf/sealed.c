/* SPDX-License-Identifier: MIT */
/* Bytes in a sealed memfd: the form in which one process hands data to another. */
#include "conf/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int sealed_make(const char *name, const void *bytes, size_t length)
{
    const char *at = bytes;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            goto fail;
        at += written;
        length -= (size_t)written;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
fail:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* All bytes, by pread: the offset is shared with every process that has the descriptor. */
char *sealed_read(int fd, size_t least, size_t most, size_t *length)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return NULL;
    if (!S_ISREG(status.st_mode) || status.st_size < (off_t)least ||
        status.st_size > (off_t)most) {
        errno = EINVAL;
        return NULL;
    }
    char *bytes = calloc(1, (size_t)status.st_size + 1);
    *length = 0;
    while (bytes != NULL && *length < (size_t)status.st_size) {
        ssize_t taken =
            pread(fd, bytes + *length, (size_t)status.st_size - *length, (off_t)*length);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0) {
            errno = taken == 0 ? EINVAL : errno;
            free(bytes);
            return NULL;
        }
        *length += (size_t)taken;
    }
    return bytes;
}

/* SPDX-License-Identifier: MIT */
/* Bytes in a sealed memfd: the form in which one process hands data to another. */
#ifndef CONF_SEALED_H
#define CONF_SEALED_H

#include <stddef.h>

/*
 * A memfd that nobody can change any more.
 * name  shown in /proc
 * Returns the descriptor (the caller's), or -1 with errno.
 */
int sealed_make(const char *name, const void *bytes, size_t length);

/*
 * Reads all bytes of such a descriptor, which stays the caller's; its offset is not used.
 * least, most  how many bytes are acceptable
 * Returns them, malloc'ed (the caller's), with a NUL behind; or NULL with errno, EINVAL when it
 * holds fewer or more or is no file.
 */
char *sealed_read(int fd, size_t least, size_t most, size_t *length);

#endif

/* SPDX-License-Identifier: MIT */
/* The locked pidfile: its lock, not its existence, tells whether a daemon runs. */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include <sys/types.h>

#include "base/text.h"

/*
 * The lock is a write lock of the open file description (F_OFD_SETLK): it lives on over fork,
 * ends with the process however that ends, and can be asked for without being taken.
 */
struct pidfile {
    int fd;     /* owned; -1 = none */
    char *path; /* owned */
    pid_t left; /* whose number stood there: of a daemon that was killed; -1 = none */
};

/*
 * Opens or makes the file (regular, not reached through a symbolic link, no second name),
 * locks it, and writes the caller's pid into it; what stood there before is replaced.
 * Returns 0, or -1 with a sentence in error. A file another daemon has locked is not touched.
 */
int pidfile_open(struct pidfile *pidfile, const char *path, struct text *error);

/* Removes the file if it still is the one that was opened, gives the lock up. Does nothing when there is none. */
void pidfile_close(struct pidfile *pidfile);

/*
 * The daemon that holds the file.
 * Returns its pid, 0 when none runs, -1 with a sentence in error when that cannot be told.
 */
pid_t pidfile_find(const char *path, struct text *error);

#endif

/* SPDX-License-Identifier: MIT */
/* The control socket: made by master, served by the director. */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <sys/types.h>

#include "base/text.h"

struct control {
    int fd;     /* owned, listening; -1 = none */
    char *path; /* owned */
    dev_t device;
    ino_t inode;
};

/*
 * Binds the socket (mode 0600) and listens. A socket file nobody answers at is replaced; one
 * where a daemon answers, or anything that is no socket, is an error and stays as it is.
 * Returns 0, or -1 with a sentence in error.
 */
int control_open(struct control *control, const char *path, struct text *error);

/* Removes the file if it still is ours. Does nothing when there is none. */
void control_close(struct control *control);

#endif

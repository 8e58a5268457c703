/* SPDX-License-Identifier: MIT */
/* What /proc tells of another process. */
#ifndef MASTER_PROCSTAT_H
#define MASTER_PROCSTAT_H

#include <stdbool.h>
#include <sys/types.h>

struct procstat {
    char state; /* the kernel's letter: R running, S sleeping, T stopped, Z zombie */
    pid_t parent;
};

/* False when there is no such process. */
bool procstat_read(pid_t pid, struct procstat *out);

#endif

/* SPDX-License-Identifier: MIT */
/* Starts a child: fork, privileges dropped, exec of the binary opened at start. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "master/privileges.h"

/* What all children are started with. */
struct spawn {
    int binary_fd; /* /proc/self/exe, opened at start: a package upgrade must not change what a replaced worker runs; owned */
    struct account account;
    bool is_transparent;    /* workers keep CAP_NET_RAW */
    bool is_daemon;         /* children's standard error goes to /dev/null */
    char oom_score_adj[16]; /* a worker's; "" = left alone */
};

/* Opens the own binary; arranges that the kernel, short of memory, takes a worker before this process or the director. 0 or -1 with errno. */
int spawn_init(struct spawn *spawn);
void spawn_fini(struct spawn *spawn);

/*
 * argv         argv[0] tells the child what it is
 * channel_fd   becomes its CHANNEL_CHILD_FD; stays the caller's
 * is_worker    gets a worker's oom_score_adj
 * Returns its pid, or -1 with errno.
 */
pid_t spawn_start(const struct spawn *spawn, char *const argv[], int channel_fd,
                  bool is_worker);

#endif

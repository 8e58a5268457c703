/* SPDX-License-Identifier: MIT */
/* Stopped processes that a killed master left behind. */
#ifndef MASTER_ORPHANS_H
#define MASTER_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Whether a command line, as /proc gives it (each word with its NUL), is that of a worker or
 * the director whose master has the given process id.
 */
bool orphans_is_child(const char *words, size_t length, pid_t master);

/*
 * Kills the stopped children of a master that is dead. They alone cannot end by themselves, and
 * would keep their listening sockets; the others close theirs and serve their connections on.
 * Returns how many; 0 when a process of that number lives.
 */
size_t orphans_end_stopped(pid_t dead);

#endif

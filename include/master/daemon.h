/* SPDX-License-Identifier: MIT */
/* Going into the background, and telling who waits for it how that went. */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

/* Opens /dev/null on each of the descriptors 0, 1, 2 that is closed: before anything else. */
void daemon_fill_standard(void);

/*
 * Forks; the caller's process stays in here until the daemon is ready, failed or ended, and then
 * exits with its status. What returns is the daemon: a session of its own, in /, its standard
 * input and output on /dev/null, standard error still the caller's.
 * Returns a descriptor for daemon_ready, or -1 with errno (no process was left behind).
 */
int daemon_detach(void);

/* The service answers: lets the caller go with status 0, puts standard error on /dev/null. */
void daemon_ready(int ready_fd);

#endif

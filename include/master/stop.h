/* SPDX-License-Identifier: MIT */
/* How the daemon ends. */
#ifndef MASTER_STOP_H
#define MASTER_STOP_H

struct master;
struct child;

enum stop_kind {
    STOP_IN_TIME, /* TERM, INT: open connections have drain_timeout; asked a second time, at once */
    STOP_AT_LEISURE /* QUIT: they may take as long as they like */
};

void stop_init(struct master *master);

/* Somebody asks the daemon to end. */
void stop_begin(struct master *master, enum stop_kind kind);

/* The start failed: says why on standard error and ends with the status. */
void stop_failed_start(struct master *master, const char *why, int exit_status);

/* A child has ended: goes on with the next step when it was the last. */
void stop_advance(struct master *master);

#endif

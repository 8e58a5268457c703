/* SPDX-License-Identifier: MIT */
/* Where log and access log end, and the pipes by which lines get to their writer. */
#ifndef MASTER_SINKS_H
#define MASTER_SINKS_H

#include <stdbool.h>

#include "conf/problems.h"

/* One opened target. Zero is none. */
struct sink {
    enum log_kind kind;
    int facility; /* LOGS_SYSLOG, LOGS_SYSLOG_UDP */
    int fd;       /* LOGS_FILE, LOGS_SYSLOG_UDP (connected): owned; LOGS_STDERR: 2; else -1 */
};

/* The targets of one configuration. Zero is none. */
struct sinks {
    struct sink log, access;
};

/*
 * Opens both targets; a file is made with mode 0640 where there is none. A fifo is opened for
 * reading too, so that it needs no reader to be opened or written; one that is full takes no more.
 * is_daemon  in the background standard error goes nowhere: syslog stands in for it
 * Returns 0, or -1 with the reason among the problems and nothing left open.
 */
int sinks_open(struct sinks *sinks, const struct model *model, bool is_daemon,
               struct problems *problems);
void sinks_close(struct sinks *sinks);

/* New files under the old names. Returns 0, or -1 with the reason among the problems and all as before. */
int sinks_reopen(struct sinks *sinks, const struct model *model, bool is_daemon,
                 struct problems *problems);

/* Points this process's own log at the target. */
void sinks_use(const struct sinks *sinks);

/* The pipes all processes write their lines to; they outlive every reload. */
struct line_pipes {
    int log[2], access[2]; /* read end, write end; owned */
};

/* 0 or -1 with errno. */
int line_pipes_open(struct line_pipes *pipes);

/* Writes what nobody has taken out to the targets, then closes the pipes. */
void line_pipes_close(struct line_pipes *pipes, const struct sinks *sinks);

#endif

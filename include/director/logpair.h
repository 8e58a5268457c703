/* SPDX-License-Identifier: MIT */
/* The two logs that the director writes for all processes: messages, and the access log. */
#ifndef DIRECTOR_LOGPAIR_H
#define DIRECTOR_LOGPAIR_H

#include <ev.h>

#include "director/logwriter.h"
#include "share/channel.h"

/* One of the two, and what was last said about it. */
struct log_end {
    const char *word, *kind; /* for people, for syslog servers */
    struct log_writer *writer;
    int error_told;
    uint64_t lost_told;
};

/* Owner: the director. Zero: nothing is written yet. */
struct logpair {
    struct ev_loop *loop;
    struct log_end log, access;
    struct ev_async changed; /* a writer's thread found that lines are lost, or are no more */
};

void logpair_init(struct logpair *pair, struct ev_loop *loop);

/*
 * Starts both writers; they take the read ends of the pipes over.
 * lost  lines that both could not write are added to it
 * Returns 0, or -1 with errno; what was started is ended by logpair_fini.
 */
int logpair_start(struct logpair *pair, int log_fd, int access_fd, _Atomic uint64_t *lost);

/* MSG_LOGS: where the lines go from now on. */
void logpair_take(struct logpair *pair, struct received *message);

/* Writes what is still in the pipes, then ends the writers. */
void logpair_fini(struct logpair *pair);

#endif

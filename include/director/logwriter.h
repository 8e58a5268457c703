/* SPDX-License-Identifier: MIT */
/* A thread that carries log lines from a pipe to where they end. */
#ifndef DIRECTOR_LOGWRITER_H
#define DIRECTOR_LOGWRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "director/linesink.h"

struct log_writer; /* opaque; owner: the director, one for each log */

/* How a writer fares. */
struct log_writer_health {
    uint64_t lost; /* lines that the sink did not take, since the start */
    int error;     /* errno of the fault that lasts; 0 = all is well */
};

/*
 * Starts the thread. Until it is given a sink it leaves the lines in the pipe.
 * pipe_fd    read end of the pipe, owned from now on, also on failure; becomes non-blocking
 * lost       lines that the sink does not take are added to it, too; it outlives the writer
 * on_change  called on the thread when health.error turns from zero or to it; may only wake
 * Returns NULL with errno.
 */
struct log_writer *log_writer_new(int pipe_fd, _Atomic uint64_t *lost,
                                  void (*on_change)(void *context), void *context);

/*
 * Hands over a new sink, whose contents become the thread's. The one before is closed after the
 * line under way: no line is torn, none lost.
 */
void log_writer_set_sink(struct log_writer *writer, const struct line_sink *sink);

struct log_writer_health log_writer_health(const struct log_writer *writer);

/*
 * Writes what the pipe holds now, ends the thread, frees all. A sink that takes nothing for a
 * second loses the rest. NULL does nothing.
 */
void log_writer_finish(struct log_writer *writer);

#endif

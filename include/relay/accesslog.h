/* SPDX-License-Identifier: MIT */
/* The access log of a worker: one line per ended connection, written in batches to a pipe. */
#ifndef RELAY_ACCESSLOG_H
#define RELAY_ACCESSLOG_H

#include <stddef.h>

#include "base/text.h"

struct conn;
struct daemon_row;

enum { ACCESS_BATCH_BYTES = 4096 }; /* PIPE_BUF: a write of so much is whole or not at all */

/* Lines that wait for the end of the loop's turn. Owner: the worker. */
struct access_log {
    int fd;                    /* non-blocking pipe to the director; -1 = none */
    struct daemon_row *daemon; /* counts lines written, lines dropped */
    struct text line;          /* the one being printed; its storage is kept for the next */
    size_t length, lines;
    char bytes[ACCESS_BATCH_BYTES];
};

/* Adds the line of an ended connection, unless its configuration has no access log. */
void access_log_add(struct access_log *log, const struct conn *c);

/* Writes what is there; what the pipe cannot take is dropped and counted. */
void access_log_flush(struct access_log *log);

/* Frees the storage; what was not flushed is forgotten. */
void access_log_fini(struct access_log *log);

#endif

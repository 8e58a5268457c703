/* SPDX-License-Identifier: MIT */
/* The access log of a worker: a line for each connection that ends, begins or goes on, written in batches to a pipe. */
#ifndef RELAY_ACCESSLOG_H
#define RELAY_ACCESSLOG_H

#include <stddef.h>
#include <stdint.h>

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

/* The same of one that has got its host, where its configuration wants such lines. */
void access_log_start(struct access_log *log, const struct conn *c);

/* When an open connection is to have its next line (monotonic ns); UINT64_MAX: never. */
uint64_t access_log_due(const struct conn *c);

/* Writes that. */
void access_log_go_on(struct access_log *log, struct conn *c);

/* Writes what is there; what the pipe cannot take is dropped and counted. */
void access_log_flush(struct access_log *log);

/* Frees the storage; what was not flushed is forgotten. */
void access_log_fini(struct access_log *log);

#endif

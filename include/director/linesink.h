/* SPDX-License-Identifier: MIT */
/* Where log lines end: a descriptor, or syslog. */
#ifndef DIRECTOR_LINESINK_H
#define DIRECTOR_LINESINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

enum line_sink_kind {
    LINES_KEPT,     /* nobody has said yet where they go: they stay in the pipe */
    LINES_UNWANTED, /* the log is off */
    LINES_TO_FD,
    LINES_TO_SYSLOG,
    LINES_TO_SERVER
};

/* Used by one thread. Zero keeps the lines. */
struct line_sink {
    enum line_sink_kind kind;
    int fd;               /* owned; -1 = syslog is not connected */
    size_t most_bytes;    /* LINES_TO_FD: in one write */
    bool is_torn;         /* the last line written has no end yet */
    int facility;         /* LINES_TO_SYSLOG, LINES_TO_SERVER */
    const char *word;     /* LINES_TO_SERVER: the kind of message; static text */
    uint64_t n_unreached; /* LINES_TO_SERVER: lines that were taken and have reached nobody */
    struct sockaddr_un path; /* of the syslog daemon's socket */
    uint64_t retry_ns;       /* no new connection before */
};

enum line_sink_verdict {
    LINES_TAKEN, /* at least one byte */
    LINES_BUSY,  /* nothing; poll fd for writing */
    LINES_LOST   /* it failed, with errno */
};

/* Takes the descriptor over. What is no regular file gets no more at a time than it takes without waiting. */
void line_sink_to_fd(struct line_sink *sink, int fd);

/* Datagrams to the unix socket at path, which is "/dev/log" but in tests. */
void line_sink_to_syslog(struct line_sink *sink, int facility, const char *path);

/*
 * Datagrams to a syslog server, in the form of RFC 5424.
 * fd    a connected non-blocking socket, taken over
 * word  the kind of message; static text
 */
void line_sink_to_server(struct line_sink *sink, int fd, int facility, const char *word);

/*
 * Writes some of the lines, never waiting but for a disk.
 * bytes  whole lines as log_error and its sisters print them, or lines of the access log; the
 *        first may be the rest of a torn one
 * taken  out: how many of them are done with
 */
enum line_sink_verdict line_sink_put(struct line_sink *sink, const char *bytes, size_t length,
                                     size_t *taken);

/* Closes it; lines are kept again. */
void line_sink_fini(struct line_sink *sink);

#endif

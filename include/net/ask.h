/* SPDX-License-Identifier: MIT */
/* One HTTP request over a unix socket. */
#ifndef NET_ASK_H
#define NET_ASK_H

#include "base/text.h"

/* The daemon's answer. */
struct ask_answer {
    int status;       /* of HTTP */
    struct text body; /* owned */
};

/*
 * Sends one request, waits for the whole answer.
 * socket  path of the unix socket, the daemon's control socket
 * body    JSON, NULL = none
 * why     set to what went wrong, a whole sentence with the path; owned by the caller
 * Returns 0, or -1 when no daemon answers as one should.
 */
int ask(const char *socket, const char *method, const char *path, const char *body,
        struct ask_answer *answer, struct text *why);

/*
 * Takes a whole HTTP/1.1 answer apart: a status line, headers, a body of exactly the length
 * that Content-Length tells.
 * Returns 0, or -1 when the bytes are no such answer.
 */
int ask_parse(const char *bytes, size_t length, struct ask_answer *answer);

#endif

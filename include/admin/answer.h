/* SPDX-License-Identifier: MIT */
/* What a door answers to one request. */
#ifndef ADMIN_ANSWER_H
#define ADMIN_ANSWER_H

#include <stdbool.h>

#include "base/text.h"

struct connection_list;

/* Zero is "no answer yet". */
struct answer {
    unsigned int status;  /* of HTTP; 0 = none yet */
    const char *type;     /* Content-Type; static */
    const char *allow;    /* the methods that would do, with 405; static, NULL = none */
    bool wants_password;  /* a browser shall ask for one */
    unsigned int retry_s; /* when to try again; 0 = nothing is said of it */
    bool is_unknown_call; /* the call's name is known to no version of us */
    struct text body;
    struct connection_list *list; /* in place of the body: owned until it is sent */
};

#define ANSWER_PLAIN "text/plain; charset=utf-8"
#define ANSWER_JSON "application/json"

/* Makes it one line of plain text. */
void answer_plain(struct answer *answer, unsigned int status, const char *line);

/* Makes it {"ok":false,"error":…}; with is_unknown_call set, the JSON says so too. */
void answer_refusal(struct answer *answer, unsigned int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes it {"ok":true,"message":…}. */
void answer_done(struct answer *answer, const char *message);

/* Frees the body; the answer is empty again. */
void answer_fini(struct answer *answer);

#endif

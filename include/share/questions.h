/* SPDX-License-Identifier: MIT */
/* What workers have the director ask OCSP responders: whether certificates that clients have shown still stand. */
#ifndef SHARE_QUESTIONS_H
#define SHARE_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share/box.h"

enum { QUESTIONS_MOST = 64, QUESTION_URL_BYTES = 256, QUESTION_CHAIN_BYTES = 32768 - 512 };

/* What is asked. */
struct question_text {
    const char *url;    /* of the responder; "" = that which the certificate names */
    const char *chain;  /* the certificate and behind it its issuer's, in PEM */
    size_t length;      /* of chain */
    int64_t timeout_ms; /* for an answer, in all */
    int64_t keep_ms;    /* how long what is said may hold at most; 0: for who waits alone */
};

/* The same, as it lies in the segment. */
struct question {
    int64_t timeout_ms, keep_ms;
    uint32_t length;
    char url[QUESTION_URL_BYTES];
    char chain[QUESTION_CHAIN_BYTES];
};

/* One of QUESTIONS_MOST. Zeroed at creation. */
struct question_place {
    struct box box;
    struct question question;
};

/*
 * Any process, any thread: a copy is left for the director; whoever asks rings its bell.
 * False when it does not fit, or too many are waiting: it may be asked again.
 */
bool questions_put(struct question_place *places, const struct question_text *asked);

/*
 * The director alone: takes one out. False when there is none now.
 * is_periodic  as box_look
 */
bool questions_take(struct question_place *places, struct question *out, bool is_periodic);

#endif

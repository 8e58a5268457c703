/* SPDX-License-Identifier: MIT */
/* A check's "send ... expect ..." against what the host says: pure, no sockets. */
#ifndef DIRECTOR_DIALOGUE_H
#define DIRECTOR_DIALOGUE_H

#include <stddef.h>

#include "base/text.h"
#include "conf/model.h"

#define DIALOGUE_BYTES 16384 /* most that is read of all answers together */

/*
 * How far a check has come. Of what is received, an expected text is looked for anywhere behind the
 * end of the one found before; where several would do, the one that ends first counts.
 */
struct dialogue {
    const struct model_step *steps; /* n of them, the caller's */
    size_t n, at;                   /* at: the step that is next */
    size_t found;                   /* bytes of heard in front of which all has been matched */
    size_t searched;                /* no expected text ends in front of here */
    size_t length;
    unsigned char heard[DIALOGUE_BYTES];
};

enum dialogue_state {
    DIALOGUE_SENDS,   /* dialogue_sends has something; then dialogue_sent */
    DIALOGUE_EXPECTS, /* wants to hear more */
    DIALOGUE_DONE,    /* every step went well */
    DIALOGUE_FULL     /* as much was heard as ever will be, without what is expected */
};

/* Sets everything but the bytes of heard. */
void dialogue_init(struct dialogue *dialogue, const struct model_step *steps, size_t n);

/* What comes next; searches what was heard. */
enum dialogue_state dialogue_state(struct dialogue *dialogue);

/* In DIALOGUE_SENDS: the text to be sent now, and that it has been. */
const struct model_text *dialogue_sends(const struct dialogue *dialogue);
void dialogue_sent(struct dialogue *dialogue);

/* What has come; all beyond DIALOGUE_BYTES is dropped. */
void dialogue_hear(struct dialogue *dialogue, const void *bytes, size_t length);

/* Adds 'expected "+PONG", got "-ERR"' in escapes, both cut; or 'got nothing'. */
void dialogue_explain(const struct dialogue *dialogue, struct text *out);

#endif

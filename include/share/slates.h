/* SPDX-License-Identifier: MIT */
/* What the director asks of a worker about its connections: a slate for each slot. */
#ifndef SHARE_SLATES_H
#define SHARE_SLATES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment;

enum slate_kind {
    SLATE_KILL = 1, /* end the connection with this id */
    SLATE_WHY,      /* tell all about it: text is the inside of a JSON object */
    SLATE_TRAFFIC,  /* write down what each connection has moved: see live_traffic */
    SLATE_PROFILE, /* begin to note where the loop spends its time, for so many seconds at most as id says */
    SLATE_PROFILED /* end that; text tells it, as the inside of a JSON object */
};

enum slate_verdict { SLATE_DONE = 1, SLATE_NO_SUCH };

#define SLATE_TEXT_BYTES 3968

/*
 * The director writes kind and id, then raises asked, then rings the slot's bell; the worker writes verdict and
 * text, then sets answered to what asked was. One at a time; a number is never used twice, so that an answer
 * to one that was given up is nobody's.
 */
struct slate {
    _Alignas(64) _Atomic uint64_t asked;
    _Atomic uint64_t id;
    _Atomic uint32_t kind;
    _Alignas(64) _Atomic uint64_t answered;
    _Atomic uint32_t verdict;
    char text[SLATE_TEXT_BYTES]; /* NUL-terminated */
};

/* Director: asks. number: greater than any before */
void slate_ask(const struct segment *segment, uint32_t slot, uint64_t number,
               enum slate_kind kind, uint64_t id);

/* Director: gives the question up, if it still stands there: a worker that wakes later does not do it. */
void slate_withdraw(const struct segment *segment, uint32_t slot, uint64_t number);

/* Director: whether the slot has answered this number; verdict and (when not NULL) text are copied then. */
bool slate_take(const struct segment *segment, uint32_t slot, uint64_t number,
                enum slate_verdict *verdict, char text[SLATE_TEXT_BYTES]);

/* Worker: what is asked of it and not answered yet. False, too, when that changes just now: the bell rings again. */
struct slate_order {
    uint64_t number, id;
    enum slate_kind kind;
};
bool slate_look(const struct segment *segment, uint32_t slot, struct slate_order *out);

/* Worker: answers. text: NULL = none; longer than the slate is an error of the caller's */
void slate_answer(const struct segment *segment, uint32_t slot, const struct slate_order *order,
                  enum slate_verdict verdict, const char *text);

#endif

/* SPDX-License-Identifier: MIT */
/* Questions to workers about their connections, each answered on the slates of the segment. */
#ifndef DIRECTOR_INQUIRY_H
#define DIRECTOR_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "share/bells.h"
#include "share/segment.h"

struct ev_loop;
struct inquiries; /* opaque; owner: the director */

enum inquiry_end {
    INQUIRY_DONE,    /* text: what the worker wrote */
    INQUIRY_NO_SUCH, /* what it is about is not there, or its worker has ended */
    INQUIRY_SILENT   /* its worker does not answer */
};

/* How one ended; text lives for the call. */
typedef void inquiry_done(void *owner, uint64_t ticket, enum inquiry_end end, const char *text);

/* What one worker of several has said; text lives for the call. */
typedef void inquiry_piece(void *owner, uint32_t slot, enum inquiry_end end, const char *text);

/* segment and bells outlive the result. NULL with errno ENOMEM. */
struct inquiries *inquiries_new(struct ev_loop *loop, const struct segment *segment,
                                const struct bells *bells, inquiry_done *done, void *owner);
void inquiries_free(struct inquiries *inquiries);

/*
 * Asks the worker that has the connection.
 * Returns 0: done will be called, after two seconds at the latest; -1 with errno: ENOENT no such connection is
 * open, ENOMEM.
 */
int inquiry_about(struct inquiries *inquiries, uint64_t ticket, enum slate_kind kind,
                  uint64_t id);

/* A question to all workers there are, of which somebody wants to see each answer. */
struct inquiry_round {
    enum slate_kind kind;
    uint64_t id, limit_ms;
    inquiry_piece *piece; /* once for each worker that was asked */
    inquiry_done *done;   /* then this, with INQUIRY_DONE, no ticket and no text */
    void *owner;          /* of these two */
};

/* Returns 0: done will be called, never before this returns; -1 with errno ENOMEM. */
int inquiry_round(struct inquiries *inquiries, const struct inquiry_round *round);

/* Has all workers write down what their connections have moved; who is silent is left out. -1 with errno ENOMEM. */
int inquiry_of_all(struct inquiries *inquiries, uint64_t ticket);

#endif

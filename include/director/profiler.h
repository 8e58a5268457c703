/* SPDX-License-Identifier: MIT */
/* Has all workers note where their time goes, for some seconds, then gathers what they tell. */
#ifndef DIRECTOR_PROFILER_H
#define DIRECTOR_PROFILER_H

#include <stdint.h>

#include "director/inquiry.h"

struct profiler; /* opaque; owner: the director */

/* What was gathered: the inside of a JSON object, which lives for the call; NULL: memory is out. */
typedef void profiler_done(void *owner, uint64_t ticket, const char *text);

/* inquiries and segment outlive it. NULL with errno ENOMEM. */
struct profiler *profiler_new(struct ev_loop *loop, const struct segment *segment,
                              struct inquiries *inquiries, profiler_done *done, void *owner);

/* Ends one under way; nobody is told. */
void profiler_free(struct profiler *profiler);

/*
 * Begins.
 * seconds  1 to 60
 * Returns 0: done will be called, a few seconds later than that at the latest; -1 with errno: EBUSY one is
 * under way, ENOMEM.
 */
int profiler_begin(struct profiler *profiler, uint64_t ticket, uint32_t seconds);

#endif

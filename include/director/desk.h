/* SPDX-License-Identifier: MIT */
/* What the doors ask of the director, and how master's answers find those who asked. */
#ifndef DIRECTOR_DESK_H
#define DIRECTOR_DESK_H

#include "admin/calls.h"
#include "director/inquiry.h"
#include "director/profiler.h"
#include "share/channel.h"

struct director;

/* Fills in what the doors may ask of this director, which outlives them. */
void desk_actions(struct admin_actions *out, struct director *d);

/* RESULT: how what a call asked of master ended; its caller is answered. */
void desk_take_result(struct director *d, const struct received *message);

/* RELOADED: how the last reload ended, for showing. */
void desk_take_reloaded(struct director *d, const struct received *message);

/* How a question to a worker ended; its caller is answered. */
inquiry_done desk_take_inquiry;

/* What a profile has told; its caller is answered. */
profiler_done desk_take_profile;

void desk_fini(struct director *d);

#endif

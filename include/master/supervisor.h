/* SPDX-License-Identifier: MIT */
/* The thread that finds stuck workers, and a stuck director, by their heartbeats. */
#ifndef MASTER_SUPERVISOR_H
#define MASTER_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "share/segment.h"

#define SUPERVISED_DIRECTOR SEGMENT_SLOTS /* the director's place behind the workers' slots */
#define SUPERVISED_PLACES (SEGMENT_SLOTS + 1)

/* How far it has gone with a process. Nobody stands in for a director: it is never at ADOPT. */
enum supervisor_stage {
    STAGE_FINE,
    STAGE_ADOPT, /* silent for adopt_timeout: others shall take its clients */
    STAGE_ABORT, /* silent for stuck_timeout: it was sent SIGABRT */
    STAGE_KILL   /* half a second later: SIGKILL */
};

struct supervisor_limits {
    uint64_t period_ns; /* it looks so often */
    uint64_t adopt_ns, stuck_ns;
};

/* What it remembers of one worker; zero is one not looked at yet. */
struct supervisor_memory {
    uint64_t beat_ns;    /* the heartbeat last seen, in the worker's words */
    uint64_t silent_ns;  /* so long without a new one, on the supervisor's own clock */
    uint64_t aborted_ns; /* so long since SIGABRT */
    bool is_marked;      /* was found late at the look before */
    bool is_granted;     /* got the fresh interval after a stall of the whole machine */
    enum supervisor_stage stage;
};

/*
 * How much of the time between two looks counts, and whether all was stalled.
 * A thread that itself was woken late proves nothing about others: where the look comes later than
 * twice the period, only one period counts.
 */
uint64_t supervisor_count(uint64_t elapsed_ns, const struct supervisor_limits *limits,
                          bool *is_stalled);

/*
 * One look at one worker.
 * beat_ns     its heartbeat now
 * counted_ns  from supervisor_count, as is_stalled
 * Returns the stage it is in now; memory->stage was the one before.
 */
enum supervisor_stage supervisor_judge(struct supervisor_memory *memory, uint64_t beat_ns,
                                       uint64_t counted_ns, bool is_stalled,
                                       const struct supervisor_limits *limits);

/* The running thread; owner: master. */
struct supervisor;

/* Starts the thread with no worker to watch. segment outlives it. NULL with errno. */
struct supervisor *supervisor_new(const struct segment *segment);

/* Ends the thread and frees it; NULL does nothing. */
void supervisor_free(struct supervisor *supervisor);

/* Turns readable when some stage has changed; reading is supervisor_collect's. */
int supervisor_fd(const struct supervisor *supervisor);

/* Empties the descriptor; look at the stages afterwards. */
void supervisor_collect(struct supervisor *supervisor);

void supervisor_set_limits(struct supervisor *supervisor, int64_t adopt_ms, int64_t stuck_ms);

/* Begins to watch the process in the place; ends it. */
void supervisor_watch(struct supervisor *supervisor, uint32_t place, int32_t pid);
void supervisor_forget(struct supervisor *supervisor, uint32_t place);

/* The stage of the process in the place. */
enum supervisor_stage supervisor_stage_of(const struct supervisor *supervisor, uint32_t place);

#endif

/* SPDX-License-Identifier: MIT */
/* Where a worker's loop spends its time, by phase, for as long as somebody asks. */
#ifndef RELAY_PROFILE_H
#define RELAY_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "share/outcome.h"

struct ev_loop;

enum { PROFILE_MOST_S = 120 };

enum profile_phase {
    PROFILE_WAIT, /* in the kernel, for something to happen */
    PROFILE_LOOP, /* libev's own work: what to watch is told to the kernel here */
    PROFILE_ACCEPT,
    PROFILE_PROXY,
    PROFILE_HELLO,
    PROFILE_STARTTLS,
    PROFILE_HANDSHAKE, /* what takes long is done by another thread */
    PROFILE_OCSP,
    PROFILE_QUEUE,
    PROFILE_CONNECT, /* choosing a host, too */
    PROFILE_RELAY,
    PROFILE_CLOSING,
    PROFILE_SORRY,
    PROFILE_LIMITS, /* limits of time that may have been reached */
    PROFILE_BELL,   /* what another process has woken us for */
    PROFILE_LOG,
    PROFILE_OTHER, /* heartbeat, messages of master, pools */
    PROFILE_PHASES
};

/*
 * All time between start and stop belongs to one phase: that which was entered last. Callbacks enter
 * theirs and do not leave it. Zero is off. Owner: the relay; one loop, one thread.
 */
struct profile {
    bool is_on;
    enum profile_phase at;
    uint64_t since_ns, until_ns; /* when it began; when it ends though nobody has stopped it */
    uint64_t mark_ns;            /* `at` was entered */
    uint64_t spent_ns[PROFILE_PHASES];
    struct ev_loop *loop;
};

/*
 * Begins, anew when it is on. Takes the loop's user data and its release callbacks.
 * limit_s  it ends by itself then, at most PROFILE_MOST_S: whoever asked may have died
 */
void profile_start(struct profile *profile, struct ev_loop *loop, uint32_t limit_s);

/* Ends it; the figures stay. */
void profile_stop(struct profile *profile);

/* Charges what has passed to the phase before. For profile_enter. */
void profile_move(struct profile *profile, enum profile_phase phase);

/* From now on time belongs to this phase. One branch while it is off. */
static inline void profile_enter(struct profile *profile, enum profile_phase phase)
{
    if (__builtin_expect(profile->is_on, false))
        profile_move(profile, phase);
}

/* The same for the phase of a connection. */
static inline void profile_enter_phase(struct profile *profile, enum phase phase)
{
    static const enum profile_phase phases[PHASES] = {
        [PHASE_PROXY] = PROFILE_PROXY,       [PHASE_HELLO] = PROFILE_HELLO,
        [PHASE_STARTTLS] = PROFILE_STARTTLS, [PHASE_HANDSHAKE] = PROFILE_HANDSHAKE,
        [PHASE_OCSP] = PROFILE_OCSP,         [PHASE_QUEUE] = PROFILE_QUEUE,
        [PHASE_CONNECT] = PROFILE_CONNECT,   [PHASE_RELAY] = PROFILE_RELAY,
        [PHASE_CLOSING] = PROFILE_CLOSING,   [PHASE_SORRY] = PROFILE_SORRY,
    };
    if (__builtin_expect(profile->is_on, false))
        profile_move(profile, phases[phase]);
}

/* "wait_pct":…,"phases":{…}: percent of the time from start to stop, which they sum to. */
void profile_print(struct text *out, const struct profile *profile);

#endif

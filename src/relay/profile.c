/* SPDX-License-Identifier: MIT */
/* Where a worker's loop spends its time, by phase, for as long as somebody asks. */
#include "relay/profile.h"

#include <ev.h>

#include "base/clock.h"

void profile_move(struct profile *profile, enum profile_phase phase)
{
    uint64_t now_ns = clock_now_ns();
    profile->spent_ns[profile->at] += now_ns - profile->mark_ns;
    profile->mark_ns = now_ns;
    profile->at = phase;
}

/* libev calls the two right before and after it waits: its own work stays apart from that. */
static void on_release(struct ev_loop *loop)
{
    struct profile *profile = ev_userdata(loop);
    profile_enter(profile, PROFILE_WAIT);
    if (profile->mark_ns >= profile->until_ns)
        profile_stop(profile);
}

static void on_acquire(struct ev_loop *loop)
{
    profile_enter(ev_userdata(loop), PROFILE_LOOP);
}

void profile_start(struct profile *profile, struct ev_loop *loop, uint32_t limit_s)
{
    uint64_t now_ns = clock_now_ns();
    *profile = (struct profile){.is_on = true,
                                .at = PROFILE_OTHER,
                                .since_ns = now_ns,
                                .mark_ns = now_ns,
                                .until_ns = now_ns + limit_s * CLOCK_NS_PER_S,
                                .loop = loop};
    ev_set_userdata(loop, profile);
    ev_set_loop_release_cb(loop, on_release, on_acquire);
}

void profile_stop(struct profile *profile)
{
    if (!profile->is_on)
        return;
    profile_move(profile, profile->at);
    profile->is_on = false;
    ev_set_loop_release_cb(profile->loop, NULL, NULL);
}

void profile_print(struct text *out, const struct profile *profile)
{
    static const char *const words[PROFILE_PHASES] = {
        [PROFILE_LOOP] = "loop",         [PROFILE_ACCEPT] = "accept",
        [PROFILE_PROXY] = "proxy",       [PROFILE_HELLO] = "hello",
        [PROFILE_STARTTLS] = "starttls", [PROFILE_HANDSHAKE] = "handshake",
        [PROFILE_OCSP] = "ocsp",         [PROFILE_QUEUE] = "queue",
        [PROFILE_CONNECT] = "connect",   [PROFILE_RELAY] = "relay",
        [PROFILE_CLOSING] = "closing",   [PROFILE_SORRY] = "sorry",
        [PROFILE_LIMITS] = "limits",     [PROFILE_BELL] = "bell",
        [PROFILE_LOG] = "log",           [PROFILE_OTHER] = "other",
    };
    uint64_t whole_ns = profile->mark_ns - profile->since_ns;
    double percent = whole_ns > 0 ? 100 / (double)whole_ns : 0;
    text_printf(out, "\"wait_pct\":%.3f,\"phases\":{",
                percent * (double)profile->spent_ns[PROFILE_WAIT]);
    for (int phase = PROFILE_WAIT + 1; phase < PROFILE_PHASES; phase++)
        text_printf(out, "%s\"%s\":%.3f", phase > PROFILE_WAIT + 1 ? "," : "", words[phase],
                    percent * (double)profile->spent_ns[phase]);
    text_add(out, "}");
}

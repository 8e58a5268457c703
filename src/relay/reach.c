/* SPDX-License-Identifier: MIT */
/* From a host's open socket to the first byte that is the client's: TLS, a welcome that it must not hear. */
#include "relay/reach.h"

#include <errno.h>

#include "relay/negotiate.h"

bool reach_is_immediate(const struct conn *c)
{
    return !hostshake_is_wanted(c) && !negotiate_hides_welcome(c);
}

bool reach_is_under_way(const struct conn *c)
{
    return c->shake != NULL || c->awaits_welcome;
}

/* What the host says first may be nothing for the client. */
static enum reach_verdict hear_welcome(struct conn *c, struct reach_failure *failure)
{
    enum negotiate_verdict verdict =
        negotiate_hides_welcome(c) ? negotiate_welcome(c) : NEGOTIATE_DONE;

    failure->error = errno;
    c->awaits_welcome = verdict == NEGOTIATE_MORE;
    if (verdict == NEGOTIATE_MORE)
        return REACH_MORE;
    return verdict == NEGOTIATE_DONE ? REACH_DONE : REACH_FAILED;
}

static enum reach_verdict verdict_of(struct conn *c, enum hostshake_verdict verdict,
                                     struct reach_failure *failure)
{
    failure->error = errno;
    if (verdict == HOSTSHAKE_DONE)
        return hear_welcome(c, failure);
    return verdict == HOSTSHAKE_MORE ? REACH_MORE : REACH_FAILED;
}

enum reach_verdict reach_begin(struct conn *c, struct reach_failure *failure)
{
    failure->reason[0] = '\0';
    if (hostshake_is_wanted(c))
        return verdict_of(c, hostshake_begin(c, failure->reason), failure);
    return hear_welcome(c, failure);
}

enum reach_verdict reach_step(struct conn *c, bool is_shaken, struct reach_failure *failure)
{
    failure->reason[0] = '\0';
    if (c->awaits_welcome)
        return hear_welcome(c, failure);
    return verdict_of(
        c, is_shaken ? hostshake_take(c, failure->reason) : hostshake_step(c, failure->reason),
        failure);
}

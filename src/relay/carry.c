/* SPDX-License-Identifier: MIT */
/* Carries bytes between the ends of a relayed connection: moves and counts them, and says what a failure means. */
#include "relay/carry.h"

#include "relay/traffic.h"
#include "relay/tunnel.h"

enum { BUDGET_BYTES = 1 << 20 }; /* of one connection in a turn of the loop */

static enum outcome lose_writer(struct conn *c, const struct half *from)
{
    if (!from->is_client)
        return OUTCOME_CLIENT_RESET;
    c->host.broken = true;
    return OUTCOME_OPEN;
}

enum outcome carry(struct conn *c, struct half *from)
{
    uint64_t before = from->in_bytes;
    enum tunnel_verdict verdict = tunnel_pump(c->relay, from, BUDGET_BYTES);

    traffic_count(c, from, from->in_bytes - before);
    traffic_uncork(c, from->peer);
    switch (verdict) {
    case TUNNEL_GOING:
        break;
    case TUNNEL_READ_FAILED:
        if (from->is_client)
            return OUTCOME_CLIENT_RESET;
        from->eof = from->broken = true;
        break;
    case TUNNEL_WRITE_FAILED:
        return lose_writer(c, from);
    }
    return OUTCOME_OPEN;
}

enum outcome carry_kept(struct conn *c, struct half *from)
{
    if (tunnel_flush(c->relay, from) == TUNNEL_WRITE_FAILED)
        return lose_writer(c, from);
    c->active_ns = c->relay->now_ns;
    traffic_uncork(c, from->peer);
    return OUTCOME_OPEN;
}

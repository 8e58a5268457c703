/* SPDX-License-Identifier: MIT */
/* Closes both sockets of a connection so that neither side takes its end for another one than it was. */
#include "relay/ends.h"

#include <assert.h>
#include <unistd.h>

#include "net/sock.h"
#include "relay/connect.h"
#include "relay/generation.h"
#include "relay/handshake.h"
#include "relay/ocsp.h"
#include "relay/tunnel.h"

/* Endings after which the client must not take what it got for all there was. */
static const bool resets_client[OUTCOMES] = {
    [OUTCOME_CONNECT_FAILED] = true, [OUTCOME_NO_HOST] = true, [OUTCOME_QUEUE_TIMEOUT] = true,
    [OUTCOME_HOST_RESET] = true,     [OUTCOME_LIMITED] = true, [OUTCOME_DENIED] = true,
    [OUTCOME_KILLED] = true,
};

void ends_close(struct conn *c)
{
    /* Who was told that we are sorry has had a FIN: a reset might overtake what was said. */
    bool is_told = c->phase == PHASE_SORRY && c->client.shut;
    bool with_reset = c->phase == PHASE_CLOSING || (resets_client[c->outcome] && !is_told) ||
                      tunnel_holds(&c->host);
    bool resets_host = c->outcome == OUTCOME_CLIENT_RESET || c->outcome == OUTCOME_HOST_RESET ||
                       c->outcome == OUTCOME_KILLED || tunnel_holds(&c->client);

    ev_io_stop(c->relay->loop, &c->client.watch);
    handshake_drop(c);
    ocsp_drop(c);
    if (with_reset)
        sock_arm_reset(c->client.watch.fd);
    else if (c->outcome == OUTCOME_OK && !c->client.shut && !c->client.io->is_plain)
        c->client.io->shut(c->client.watch.fd, c->client.io_state);
    conn_make_plain(&c->client);
    close(c->client.watch.fd);
    c->client.watch.fd = -1;
    if (c->host.watch.fd >= 0)
        connect_close(c, resets_host);
    tunnel_drop(c->relay, &c->client);
    tunnel_drop(c->relay, &c->host);
}

static bool is_delivered(struct conn *c)
{
    int unsent = sock_unacknowledged(c->client.watch.fd);

    assert(!tunnel_holds(&c->host));
    if (sock_take_error(c->client.watch.fd) != 0 || unsent <= 0)
        return true;
    if ((uint32_t)unsent != c->unsent_bytes)
        c->active_ns = c->relay->now_ns;
    c->unsent_bytes = (uint32_t)unsent;
    return false;
}

bool ends_is_over(struct conn *c)
{
    int64_t limit_ms = c->service->model->half_close_timeout_ms;
    return is_delivered(c) || c->relay->now_ns >= deadline_after(c->active_ns, limit_ms);
}

/* SPDX-License-Identifier: MIT */
/* A check that shakes hands by TLS and looks at the certificate. */
#include "director/probe.h"

#include <ev.h>

#include "tls/client.h"

static enum probe_verdict go_on(struct probe *probe)
{
    struct tls_client *client = probe->state;
    switch (tls_client_shake(client)) {
    case TLS_WANTS_READ:
        probe->events = EV_READ;
        return PROBE_GOING;
    case TLS_WANTS_WRITE:
        probe->events = EV_WRITE;
        return PROBE_GOING;
    case TLS_DONE:
        tls_client_close(client);
        return PROBE_GOOD;
    case TLS_COMPUTES: /* of servers alone */
    case TLS_FAILED:
        break;
    }
    return probe_fail(probe, "%s", tls_client_reason(client));
}

static enum probe_verdict start(struct probe *probe)
{
    probe->state = tls_client_new(probe->task.trust, probe->fd, probe->task.name);
    return probe->state != NULL ? go_on(probe) : probe_fail_memory(probe);
}

static void fini(struct probe *probe)
{
    tls_client_free(probe->state);
}

const struct probe_kind probe_tls = {.start = start, .go_on = go_on, .fini = fini};

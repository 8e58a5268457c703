/* SPDX-License-Identifier: MIT */
/* When a connection must have gone on, by the phase that it is in. */
#include "relay/due.h"

#include "base/clock.h"
#include "relay/early.h"
#include "relay/generation.h"

uint64_t due_connect(const struct conn *c)
{
    return early_due(c, c->service->model->connect_timeout_ms);
}

uint64_t due_relay_limit(const struct conn *c)
{
    const struct model_service *model = c->service->model;
    bool is_half_closed = c->client.eof || c->host.eof;
    uint64_t due_ns = deadline_after(c->active_ns, is_half_closed ? model->half_close_timeout_ms
                                                                  : model->idle_timeout_ms);
    return c->end_ns != 0 && c->end_ns < due_ns ? c->end_ns : due_ns;
}

uint64_t due_relay(const struct conn *c)
{
    uint64_t limit_ns = due_relay_limit(c), line_ns = access_log_due(c);
    return line_ns < limit_ns ? line_ns : limit_ns;
}

uint64_t due_closing(const struct conn *c)
{
    return c->relay->now_ns + DEADLINE_TICK_MS * CLOCK_NS_PER_MS;
}

uint64_t due_sorry(const struct conn *c)
{
    return deadline_after(c->phase_ns, c->service->model->half_close_timeout_ms);
}

/* SPDX-License-Identifier: MIT */
/* What the client of a connection does while there is no host for it yet. */
#include "relay/early.h"

#include "base/clock.h"
#include "relay/generation.h"
#include "relay/traffic.h"
#include "relay/watch.h"

static const uint64_t silent_leave_ns = 30 * CLOCK_NS_PER_MS;

bool early_keep(struct conn *c, const void *bytes, size_t length)
{
    return buffer_append(&c->client.wait, &c->relay->buffers, bytes, length) == length;
}

enum early_verdict early_take(struct conn *c, size_t *length_out)
{
    struct half *client = &c->client;

    *length_out = 0;
    switch (client->io->read(client->watch.fd, client->io_state, c->relay->scratch,
                             c->relay->scratch_bytes, length_out)) {
    case IO_OK:
        client->in_bytes = *length_out;
        traffic_count_early(c, *length_out);
        break;
    case IO_EOF:
        client->eof = true;
        break;
    case IO_AGAIN:
        break;
    case IO_ERROR:
        return EARLY_RESET;
    }
    return EARLY_GOING;
}

enum early_verdict early_read(struct conn *c)
{
    struct relay *relay = c->relay;
    struct half *client = &c->client;
    size_t room = buffer_room(&client->wait, &relay->buffers);
    size_t length = 0;

    if (room > relay->scratch_bytes)
        room = relay->scratch_bytes;
    if (client->eof || room == 0)
        return EARLY_GOING;
    enum io io =
        client->io->read(client->watch.fd, client->io_state, relay->scratch, room, &length);
    if (io == IO_ERROR)
        return EARLY_RESET;
    if (io == IO_EOF) {
        client->eof = true;
        c->active_ns = relay->now_ns;
        deadline_hang(&relay->wheel, &c->deadline, relay->now_ns + silent_leave_ns);
    }
    if (io != IO_OK)
        return EARLY_GOING;
    client->in_bytes += length;
    traffic_count_early(c, length);
    return early_keep(c, relay->scratch, length) ? EARLY_GOING : EARLY_NO_MEMORY;
}

enum opening_verdict early_hear(struct conn *c)
{
    static const enum opening_verdict verdicts[] = {[EARLY_GOING] = OPENING_DONE,
                                                    [EARLY_RESET] = OPENING_LEFT,
                                                    [EARLY_NO_MEMORY] = OPENING_LIMITED};
    return verdicts[early_read(c)];
}

void early_watch(struct conn *c)
{
    bool has_room = buffer_room(&c->client.wait, &c->relay->buffers) > 0;
    watch_set(c->relay, &c->client, !c->client.eof && has_room ? EV_READ : 0);
}

static bool may_have_left(const struct conn *c)
{
    return c->client.eof && (c->client.in_bytes == 0 || !c->service->model->half_close);
}

bool early_has_left(const struct conn *c)
{
    return may_have_left(c) && c->relay->now_ns >= c->active_ns + silent_leave_ns;
}

uint64_t early_due(const struct conn *c, int64_t limit_ms)
{
    uint64_t due_ns = deadline_after(c->phase_ns, limit_ms);
    uint64_t left_ns = c->active_ns + silent_leave_ns;
    return may_have_left(c) && left_ns < due_ns ? left_ns : due_ns;
}

/* SPDX-License-Identifier: MIT */
/* `when_no_host = sorry`: a client that gets no host is told so in the service's own words. */
#include "relay/sorry.h"

#include "base/counter.h"
#include "relay/generation.h"
#include "relay/tunnel.h"
#include "relay/watch.h"

/*
 * The words lie in host.wait, as if a host had sent them. What the client sends meanwhile is read:
 * a close with bytes unread would reset the connection, and the client might never see the words.
 */

bool sorry_begin(struct conn *c)
{
    const struct model_no_host *when = &c->service->model->when_no_host;
    const struct model_file *words = &when->sorry;

    if (when->action != NO_HOST_SORRY)
        return false;
    tunnel_drop(c->relay, &c->client);
    if (buffer_append(&c->host.wait, &c->relay->buffers, words->bytes, words->length) <
        words->length) {
        tunnel_drop(c->relay, &c->host);
        return false;
    }
    c->host.in_bytes = words->length;
    counter_add(&c->service->shard->bytes_out, words->length);
    return true;
}

enum sorry_verdict sorry_step(struct conn *c)
{
    struct half *client = &c->client;

    if (tunnel_holds(&c->host) && tunnel_flush(c->relay, &c->host) == TUNNEL_WRITE_FAILED)
        return SORRY_DONE;
    bool is_said = !tunnel_holds(&c->host);
    if (is_said && !client->shut) {
        client->shut = true;
        client->io->shut(client->watch.fd, client->io_state);
    }
    if (is_said && client->eof)
        return SORRY_DONE;
    watch_set(c->relay, client, (client->eof ? 0 : EV_READ) | (is_said ? 0 : EV_WRITE));
    return SORRY_GOING;
}

enum sorry_verdict sorry_ready(struct conn *c, int revents)
{
    struct relay *relay = c->relay;
    struct half *client = &c->client;
    size_t length = 0;

    if ((revents & EV_READ) != 0 && !client->eof) {
        enum io io = client->io->read(client->watch.fd, client->io_state, relay->scratch,
                                      relay->scratch_bytes, &length);
        client->eof = io == IO_EOF;
        if (io == IO_ERROR)
            return SORRY_DONE;
    }
    return sorry_step(c);
}

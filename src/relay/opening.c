/* SPDX-License-Identifier: MIT */
/* What a client goes through between accept(2) and the choice of a host. */
#include "relay/opening.h"

#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"
#include "relay/admit.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/traffic.h"

/* ---- the order of the phases ---- */

static bool is_proxied(const struct conn *c)
{
    return !netset_is_empty(&c->entrance->proxies);
}

bool opening_may_begin(const struct conn *c, const struct addr *client)
{
    return !is_proxied(c) || netset_has(&c->entrance->proxies, client);
}

enum phase opening_first(const struct conn *c)
{
    return is_proxied(c) ? PHASE_PROXY : PHASE_QUEUE;
}

enum phase opening_next(const struct conn *c, enum phase over)
{
    (void)c;
    (void)over;
    return PHASE_QUEUE;
}

uint64_t opening_due(const struct conn *c)
{
    return deadline_after(c->since_ns, c->service->model->handshake_timeout_ms);
}

/* ---- what goes to the log ---- */

static enum opening_verdict refuse(const struct conn *c, const char *what, const char *why)
{
    struct addr client;
    char printed[ADDR_TEXT_BYTES];
    uint64_t unshown = 0;

    if (!log_limit_pass(&c->service->refusals, c->relay->now_ns, &unshown))
        return OPENING_REFUSED;
    admit_read_client(c, &client);
    log_warning("service %s: client %s is refused: %s: %s (%llu more not shown)",
                c->service->model->name, addr_print(printed, &client), what, why,
                (unsigned long long)unshown);
    return OPENING_REFUSED;
}

void opening_tell_late(const struct conn *c)
{
    refuse(c, "PROXY header", "not complete within handshake_timeout");
}

/* ---- PROXY header ---- */

/* Keeps what must be passed on to hosts; false when memory is out. */
static bool remember(struct conn *c, const struct proxy_header *header)
{
    if (!c->service->sends_proxy || header->command == PROXY_LOCAL)
        return true;
    c->proxied = calloc(1, sizeof *c->proxied + header->tlvs_length);
    if (c->proxied == NULL)
        return false;
    c->proxied->source = header->source;
    c->proxied->target = header->target;
    c->proxied->n_tlv_bytes = header->tlvs_length;
    if (header->tlvs_length > 0)
        memcpy(c->proxied->tlvs, header->tlvs, header->tlvs_length);
    return true;
}

static enum opening_verdict take_header(struct conn *c, const struct proxy_header *header)
{
    struct half *client = &c->client;

    if (!remember(c, header))
        return OPENING_NO_MEMORY;
    if (header->command == PROXY_PROXY)
        admit_rename_client(c, &header->source);
    buffer_consume(&client->wait, &c->relay->buffers, header->length);
    client->in_bytes = client->wait.length;
    traffic_count_early(c, client->in_bytes);
    return OPENING_DONE;
}

enum opening_verdict opening_read_proxy(struct conn *c)
{
    struct relay *relay = c->relay;
    struct half *client = &c->client;
    struct proxy_header header;
    size_t length = 0;

    switch (client->io->read(client->watch.fd, client->io_state, relay->scratch,
                             buffer_room(&client->wait, &relay->buffers), &length)) {
    case IO_OK:
        break;
    case IO_AGAIN:
        return OPENING_MORE;
    case IO_EOF:
        client->eof = true;
        return refuse(c, "PROXY header", "the client ended before it was complete");
    case IO_ERROR:
        return OPENING_LEFT;
    }
    if (!early_keep(c, relay->scratch, length))
        return OPENING_NO_MEMORY;
    switch (proxyproto_parse(buffer_bytes(&client->wait), client->wait.length, &header)) {
    case PROXYPROTO_MORE:
        return OPENING_MORE;
    case PROXYPROTO_COMPLETE:
        return take_header(c, &header);
    case PROXYPROTO_INVALID:
        break;
    }
    return refuse(c, "PROXY header", header.reason);
}

bool proxied_has(const struct proxied *proxied, uint8_t type)
{
    const unsigned char *at = proxied->tlvs;
    size_t left = proxied->n_tlv_bytes;
    struct proxy_value value;

    while (proxyproto_next(&at, &left, &value))
        if (value.type == type)
            return true;
    return false;
}

void opening_forget(struct conn *c)
{
    free(c->proxied);
    c->proxied = NULL;
}

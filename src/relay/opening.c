/* SPDX-License-Identifier: MIT */
/* What a client goes through between accept(2) and the choice of a host. */
#include "relay/opening.h"

#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"
#include "relay/admit.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/handshake.h"
#include "relay/negotiate.h"
#include "relay/ocsp.h"
#include "relay/refusal.h"
#include "relay/shake.h"
#include "relay/signpost.h"
#include "relay/traffic.h"
#include "relay/watch.h"
#include "tls/hello.h"

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
    return is_proxied(c) ? PHASE_PROXY : opening_next(c, PHASE_PROXY);
}

enum phase opening_next(const struct conn *c, enum phase over)
{
    if (over == PHASE_STARTTLS)
        return PHASE_HANDSHAKE;
    if (over == PHASE_HANDSHAKE && ocsp_is_due(c))
        return PHASE_OCSP;
    if (over != PHASE_PROXY)
        return PHASE_QUEUE;
    if (c->entrance->model->tls)
        return c->entrance->model->starttls != STARTTLS_NO ? PHASE_STARTTLS : PHASE_HANDSHAKE;
    return c->service->looks_ahead ? PHASE_HELLO : PHASE_QUEUE;
}

uint64_t opening_due(const struct conn *c)
{
    const struct model_service *model = c->service->model;

    return c->phase == PHASE_OCSP ? deadline_after(c->phase_ns, model->ocsp_timeout_ms)
                                  : deadline_after(c->since_ns, model->handshake_timeout_ms);
}

void opening_watch(struct conn *c)
{
    if (c->phase == PHASE_OCSP)
        early_watch(c);
    else
        watch_set(c->relay, &c->client,
                  c->phase == PHASE_HANDSHAKE ? shake_interest(c) : EV_READ);
}

/* ---- what goes to the log ---- */

enum opening_verdict opening_late(struct conn *c)
{
    static const char *const what[PHASES] = {[PHASE_PROXY] = "PROXY header",
                                             [PHASE_HELLO] = "TLS hello",
                                             [PHASE_STARTTLS] = "STARTTLS",
                                             [PHASE_HANDSHAKE] = "TLS handshake"};
    if (c->phase == PHASE_OCSP)
        return ocsp_late(c);
    return refusal_tell(c, what[c->phase], "not complete within handshake_timeout");
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

/* Whether who the header named may is known only now. */
static enum opening_verdict enter(struct conn *c)
{
    struct addr client;

    admit_read_client(c, &client);
    enum outcome outcome = admit_enter(c, &client);
    if (outcome == OUTCOME_OPEN)
        return OPENING_DONE;
    return outcome == OUTCOME_DENIED ? OPENING_DENIED : OPENING_LIMITED;
}

static enum opening_verdict take_header(struct conn *c, const struct proxy_header *header)
{
    struct half *client = &c->client;

    if (!remember(c, header))
        return OPENING_LIMITED;
    if (header->command == PROXY_PROXY)
        admit_rename_client(c, &header->source);
    buffer_consume(&client->wait, &c->relay->buffers, header->length);
    /* What is no stream of the client's yet counts once it is. */
    if (!c->entrance->model->tls) {
        client->in_bytes = client->wait.length;
        traffic_count_early(c, client->in_bytes);
    }
    return enter(c);
}

static enum opening_verdict read_proxy(struct conn *c)
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
        return refusal_tell(c, "PROXY header", "the client ended before it was complete");
    case IO_ERROR:
        return OPENING_LEFT;
    }
    if (!early_keep(c, relay->scratch, length))
        return OPENING_LIMITED;
    switch (proxyproto_parse(buffer_bytes(&client->wait), client->wait.length, &header)) {
    case PROXYPROTO_MORE:
        return OPENING_MORE;
    case PROXYPROTO_COMPLETE:
        return take_header(c, &header);
    case PROXYPROTO_INVALID:
        break;
    }
    return refusal_tell(c, "PROXY header", header.reason);
}

/* ---- look ahead ---- */

static enum opening_verdict look(struct conn *c)
{
    struct hello hello;

    switch (hello_look(buffer_bytes(&c->client.wait), c->client.wait.length, c->relay->scratch,
                       &hello)) {
    case HELLO_MORE:
        return OPENING_MORE;
    case HELLO_DONE:
        return signpost_follow(c, &hello) ? OPENING_DONE : OPENING_LIMITED;
    case HELLO_NONE:
    case HELLO_BAD:
        break;
    }
    signpost_point(c, NULL);
    return OPENING_DONE;
}

static enum opening_verdict look_ahead(struct conn *c)
{
    /* What is there already may be enough: it came behind a header. */
    enum opening_verdict verdict = c->client.wait.length > 0 ? look(c) : OPENING_MORE;

    if (verdict != OPENING_MORE)
        return verdict;
    enum opening_verdict heard = early_hear(c);
    if (heard != OPENING_DONE)
        return heard;
    if (c->client.wait.length > 0)
        verdict = look(c);
    /* Who has ended says no more, and what is beyond the buffer is not read: what there is goes on as it is. */
    bool is_all = c->client.eof || buffer_room(&c->client.wait, &c->relay->buffers) == 0;
    if (verdict == OPENING_MORE && is_all) {
        signpost_point(c, NULL);
        return OPENING_DONE;
    }
    return verdict;
}

enum opening_verdict opening_step(struct conn *c)
{
    if (c->phase == PHASE_STARTTLS)
        return negotiate_step(c);
    if (c->phase == PHASE_HANDSHAKE)
        return handshake_step(c);
    if (c->phase == PHASE_OCSP)
        return ocsp_step(c);
    return c->phase == PHASE_PROXY ? read_proxy(c) : look_ahead(c);
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
    free(c->sni);
    free(c->subject);
    c->proxied = NULL;
    c->sni = c->subject = NULL;
}

/* SPDX-License-Identifier: MIT */
/* PHASE_HANDSHAKE: TLS with a client that comes in where it is spoken. */
#include "relay/handshake.h"

#include <string.h>

#include "base/counter.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/ocsp.h"
#include "relay/shake.h"
#include "relay/signpost.h"

/* For the access log, which has its line when the stream is gone. */
static bool note_client(struct conn *c)
{
    char subject[TLS_SUBJECT_BYTES], name[TLS_SUBJECT_BYTES];

    tls_stream_tell_client(c->client.io_state, subject, name);
    c->subject = strdup(subject);
    return c->subject != NULL;
}

static void count(const struct conn *c, const struct tls_facts *facts)
{
    struct service_shard *shard = c->service->shard;

    counter_add(facts->is_resumed ? &shard->handshakes_resumed : &shard->handshakes_full, 1);
}

/* The client's end is TLS. */
static enum opening_verdict finish(struct conn *c)
{
    struct tls_facts facts;

    c->client.in_bytes = 0;
    tls_stream_tell(c->client.io_state, &facts);
    if (!signpost_follow_facts(c, &facts) || (facts.has_certificate && !note_client(c)))
        return OPENING_LIMITED;
    if (!ocsp_is_due(c))
        count(c, &facts);
    return early_hear(c);
}

void handshake_count(const struct conn *c)
{
    struct tls_facts facts;

    tls_stream_tell(c->client.io_state, &facts);
    count(c, &facts);
}

/* Refuses the client; who was revoked is told everywhere. */
static enum opening_verdict refuse(struct conn *c)
{
    struct service_shard *shard = c->service->shard;
    const char *subject;

    c->blame = (uint8_t)shake_blame(c, &subject);
    if (c->blame == TLS_BLAME_REVOKED)
        counter_add(&shard->handshakes_revoked, 1);
    else if (c->blame == TLS_BLAME_STALE)
        counter_add(&shard->handshakes_stale, 1);
    if (c->blame != TLS_BLAME_OTHER && subject != NULL)
        c->subject = strdup(subject);
    if (c->subject == NULL)
        return refusal_tell(c, "TLS handshake", shake_reason(c));
    return refusal_tell_of(c, "TLS handshake", shake_reason(c), c->subject);
}

static enum opening_verdict verdict_of(struct conn *c, enum shake_verdict verdict)
{
    switch (verdict) {
    case SHAKE_MORE:
        return OPENING_MORE;
    case SHAKE_DONE:
        return finish(c);
    case SHAKE_FAILED:
        return refuse(c);
    case SHAKE_RESET:
    case SHAKE_LEFT:
        return OPENING_LEFT;
    case SHAKE_REFUSED:
        break;
    }
    return OPENING_LIMITED;
}

enum opening_verdict handshake_step(struct conn *c)
{
    if (c->shake == NULL && c->service->tls == NULL) /* the generation was shed: far too late */
        return OPENING_LIMITED;
    if (c->shake == NULL &&
        shake_begin(c, &c->client, tls_stream_accept(c->service->tls), false) != 0)
        return OPENING_LIMITED;
    return verdict_of(c, shake_step(c));
}

enum opening_verdict handshake_take(struct conn *c)
{
    return verdict_of(c, shake_take(c));
}

void handshake_drop(struct conn *c)
{
    if (shake_drop(c) && c->phase == PHASE_HANDSHAKE)
        counter_add(&c->service->shard->handshakes_abandoned, 1);
}

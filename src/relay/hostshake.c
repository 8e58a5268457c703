/* SPDX-License-Identifier: MIT */
/* TLS with a host that was just connected to. */
#include "relay/hostshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/hostname.h"
#include "relay/generation.h"
#include "relay/shake.h"
#include "relay/watch.h"

bool hostshake_is_wanted(const struct conn *c)
{
    return c->way->line->trust != NULL;
}

static struct host_note *note_of(const struct conn *c)
{
    return &c->way->line->notes[c->target];
}

static const char *find_name(const struct conn *c, char address[ADDR_TEXT_BYTES])
{
    return model_tls_name(c->way->line->group.model, c->way->line->group.hosts[c->target].model,
                          address);
}

static enum hostshake_verdict verdict_of(struct conn *c, enum shake_verdict verdict,
                                         char reason[HOSTSHAKE_REASON_BYTES])
{
    const char *why = "";

    switch (verdict) {
    case SHAKE_MORE:
        watch_set(c->relay, &c->host, shake_interest(c));
        return HOSTSHAKE_MORE;
    case SHAKE_DONE:
        hostshake_learn(c);
        return HOSTSHAKE_DONE;
    case SHAKE_FAILED:
        why = shake_reason(c);
        break;
    case SHAKE_RESET:
        why = strerror(errno);
        break;
    case SHAKE_LEFT:
        why = "closed by the host";
        break;
    case SHAKE_REFUSED: /* no fault of the host's */
        reason[0] = '\0';
        errno = ENOMEM;
        return HOSTSHAKE_FAILED;
    }
    snprintf(reason, HOSTSHAKE_REASON_BYTES, "TLS: %s", why);
    return HOSTSHAKE_FAILED;
}

enum hostshake_verdict hostshake_begin(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES])
{
    char address[ADDR_TEXT_BYTES];
    struct tls_stream *stream =
        tls_stream_connect(c->way->line->trust, find_name(c, address), note_of(c)->session);

    if (shake_begin(c, &c->host, stream, true) != 0)
        return verdict_of(c, SHAKE_REFUSED, reason);
    return verdict_of(c, shake_take(c), reason);
}

enum hostshake_verdict hostshake_step(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES])
{
    return verdict_of(c, shake_step(c), reason);
}

enum hostshake_verdict hostshake_take(struct conn *c, char reason[HOSTSHAKE_REASON_BYTES])
{
    return verdict_of(c, shake_take(c), reason);
}

void hostshake_learn(struct conn *c)
{
    struct ssl_session_st *session =
        c->host.io == &tls_transport ? tls_stream_take_session(c->host.io_state) : NULL;

    if (session == NULL)
        return;
    tls_session_free(note_of(c)->session);
    note_of(c)->session = session;
}

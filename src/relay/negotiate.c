/* SPDX-License-Identifier: MIT */
/* PHASE_STARTTLS: what a client says in plain before its TLS; and what a host says that it must not hear twice. */
#include "relay/negotiate.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "net/starttls.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/traffic.h"
#include "relay/watch.h"

enum { WELCOME_MOST_BYTES = 4096 };

static const struct starttls_talk *talk_of(const struct conn *c)
{
    switch (c->entrance->model->starttls) {
    case STARTTLS_NO:
        break;
    case STARTTLS_POSTGRES:
        return &starttls_postgres;
    case STARTTLS_SMTP:
        return &starttls_smtp;
    case STARTTLS_IMAP:
        return &starttls_imap;
    }
    return NULL;
}

/* Nobody who speaks so little is in arrears with reading: what does not fit at once is refused. */
static bool say(const struct conn *c, const char *bytes, size_t length)
{
    size_t sent = 0;

    return length == 0 || (c->client.io->write(c->client.watch.fd, c->client.io_state, bytes,
                                               length, &sent) == IO_OK &&
                           sent == length);
}

/* Takes one thing after the other from what waits. */
static enum opening_verdict take_all(struct conn *c, struct text *answer)
{
    const struct starttls_talk *talk = talk_of(c);
    struct buffer *wait = &c->client.wait;

    while (wait->length > 0) {
        const char *why = NULL, *fault = NULL;
        size_t used = 0;
        enum starttls_verdict verdict =
            talk->take(buffer_bytes(wait), wait->length, &used, answer, &fault);
        if (used > 0)
            buffer_consume(wait, &c->relay->buffers, used);
        if (verdict == STARTTLS_INVALID)
            why = fault;
        /* What came in plain behind the word is nobody's: it would be taken for said in TLS. */
        if (verdict == STARTTLS_BEGINS && used > 0 && wait->length > 0)
            why = "more came before TLS had begun";
        if (verdict == STARTTLS_MORE && used > 0 && ++c->n_said >= STARTTLS_COMMANDS_MOST)
            why = "too many commands before TLS";
        if (why != NULL)
            return refusal_tell(c, "STARTTLS", why);
        if (verdict == STARTTLS_BEGINS)
            return OPENING_DONE;
        if (verdict == STARTTLS_ENDS)
            return OPENING_LEFT;
        if (used == 0)
            break;
    }
    return OPENING_MORE;
}

static enum opening_verdict hear(struct conn *c)
{
    struct relay *relay = c->relay;
    size_t room = buffer_room(&c->client.wait, &relay->buffers), length = 0;

    switch (c->client.io->read(c->client.watch.fd, c->client.io_state, relay->scratch, room,
                               &length)) {
    case IO_OK:
        return early_keep(c, relay->scratch, length) ? OPENING_DONE : OPENING_LIMITED;
    case IO_AGAIN:
        return OPENING_DONE;
    case IO_EOF:
    case IO_ERROR:
        break;
    }
    return OPENING_LEFT;
}

enum opening_verdict negotiate_step(struct conn *c)
{
    const char *greeting = talk_of(c)->greeting;
    struct text answer = {0};

    if (!c->is_greeted && !say(c, greeting, strlen(greeting)))
        return OPENING_LEFT;
    c->is_greeted = true;
    enum opening_verdict verdict = hear(c);
    if (verdict == OPENING_DONE)
        verdict = take_all(c, &answer);
    if (answer.failed)
        verdict = OPENING_LIMITED;
    else if (!say(c, answer.at, answer.length))
        verdict = OPENING_LEFT;
    text_fini(&answer);
    return verdict;
}

bool negotiate_hides_welcome(const struct conn *c)
{
    const struct starttls_talk *talk = talk_of(c);

    return talk != NULL && talk->greeting[0] != '\0';
}

static enum negotiate_verdict judge(struct conn *c)
{
    struct buffer *wait = &c->host.wait;
    size_t length =
        wait->length > 0 ? talk_of(c)->welcome(buffer_bytes(wait), wait->length) : 0;

    if (length == 0 && wait->length >= WELCOME_MOST_BYTES) {
        errno = EPROTO;
        return NEGOTIATE_FAILED;
    }
    if (length == 0) {
        watch_set(c->relay, &c->host, EV_READ);
        return NEGOTIATE_MORE;
    }
    /* One that does not welcome is for the client to hear. */
    if (length != SIZE_MAX)
        buffer_consume(wait, &c->relay->buffers, length);
    c->host.in_bytes = wait->length;
    traffic_count(c, &c->host, wait->length);
    return NEGOTIATE_DONE;
}

enum negotiate_verdict negotiate_welcome(struct conn *c)
{
    struct relay *relay = c->relay;
    struct half *host = &c->host;
    size_t length = 0;

    switch (host->io->read(host->watch.fd, host->io_state, relay->scratch, WELCOME_MOST_BYTES,
                           &length)) {
    case IO_OK:
        if (buffer_append(&host->wait, &relay->buffers, relay->scratch, length) == length)
            return judge(c);
        errno = ENOMEM;
        break;
    case IO_AGAIN:
        return judge(c);
    case IO_EOF:
        errno = ECONNRESET;
        break;
    case IO_ERROR:
        break;
    }
    return NEGOTIATE_FAILED;
}

/* SPDX-License-Identifier: MIT */
/* A check by a dialogue: what to send, what to expect. */
#include "director/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "director/dialogue.h"

_Static_assert(DIALOGUE_BYTES == PROBE_ANSWER_BYTES, "all that is read can be searched");

struct exchange {
    struct dialogue dialogue;
    size_t sent_bytes; /* of the text to be sent now */
};

static void explain(struct probe *probe)
{
    const struct exchange *exchange = probe->state;
    if (exchange->dialogue.length == 0)
        return;
    struct text words = {0};
    dialogue_explain(&exchange->dialogue, &words);
    if (!words.failed)
        probe_fail(probe, "%s", words.at);
    text_fini(&words);
}

static enum probe_verdict fail_answer(struct probe *probe, const char *why)
{
    probe_fail(probe, "%s", why);
    explain(probe);
    return PROBE_BAD;
}

enum flow { FLOW_ON, FLOW_WAITS, FLOW_ENDED };

static enum flow send_some(struct probe *probe, struct exchange *exchange)
{
    const struct model_text *text = dialogue_sends(&exchange->dialogue);
    size_t left = text->length - exchange->sent_bytes;
    ssize_t n = left == 0 ? 0 : probe_write(probe, text->bytes + exchange->sent_bytes, left);
    if (n < 0)
        return FLOW_ENDED;
    exchange->sent_bytes += (size_t)n;
    if ((size_t)n < left) {
        probe->events = EV_WRITE;
        return FLOW_WAITS;
    }
    exchange->sent_bytes = 0;
    dialogue_sent(&exchange->dialogue);
    return FLOW_ON;
}

static enum flow hear_some(struct probe *probe, struct exchange *exchange)
{
    char bytes[4096];
    ssize_t n = probe_read(probe, bytes, sizeof bytes);
    if (n > 0) {
        dialogue_hear(&exchange->dialogue, bytes, (size_t)n);
        return FLOW_ON;
    }
    if (n < 0 && errno == EAGAIN) {
        probe->events = EV_READ;
        return FLOW_WAITS;
    }
    if (n == 0)
        errno = 0;
    return FLOW_ENDED;
}

static enum probe_verdict go_on(struct probe *probe)
{
    struct exchange *exchange = probe->state;
    enum flow flow = FLOW_ON;
    while (flow == FLOW_ON) {
        switch (dialogue_state(&exchange->dialogue)) {
        case DIALOGUE_SENDS:
            flow = send_some(probe, exchange);
            break;
        case DIALOGUE_EXPECTS:
            flow = hear_some(probe, exchange);
            break;
        case DIALOGUE_DONE:
            return PROBE_GOOD;
        case DIALOGUE_FULL:
            return fail_answer(probe, "not what is expected within 16 KiB");
        }
    }
    if (flow == FLOW_WAITS)
        return PROBE_GOING;
    return fail_answer(probe, errno == 0 ? "closed by the host" : strerror(errno));
}

static enum probe_verdict start(struct probe *probe)
{
    const struct model_check *check = probe->task.check;
    struct exchange *exchange = malloc(sizeof *exchange);
    if (exchange == NULL)
        return probe_fail_memory(probe);
    probe->state = exchange;
    exchange->sent_bytes = 0;
    dialogue_init(&exchange->dialogue, check->steps, check->n_steps);
    return go_on(probe);
}

static void fini(struct probe *probe)
{
    free(probe->state);
}

const struct probe_kind probe_expect = {
    .start = start, .go_on = go_on, .explain = explain, .fini = fini};

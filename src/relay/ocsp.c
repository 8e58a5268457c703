/* SPDX-License-Identifier: MIT */
/* PHASE_OCSP: a client has shown a certificate, and an OCSP responder is asked whether it still stands. */
#include "relay/ocsp.h"

#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "relay/early.h"
#include "relay/generation.h"
#include "relay/handshake.h"
#include "share/questions.h"
#include "tls/stream.h"

/*
 * How it works. Answers stand in the segment, each under a hash of certificate, issuer and responder; workers look there
 * after each handshake, whether it was full or took a session up. What is not there is left as a question for the
 * director, whose bell is rung; it asks, writes the answer and rings the workers' bells. What the client sends meanwhile
 * waits as it does for a host.
 */

struct asking {
    struct list_node node; /* relay.askings */
    struct conn *c;
    uint64_t since_ns;
    uint64_t director; /* daemon_row.director_restarts when it was asked */
    bool is_asked;     /* all that was unasked then */
    int n_keys;
    unsigned char keys[][STANDING_KEY_BYTES];
};

bool ocsp_is_due(const struct conn *c)
{
    return c->service->model->client_ocsp.source != OCSP_NO && c->subject != NULL;
}

/* ---- what was said ---- */

/* Of all together: the worst, but nothing is good that was not said. */
static enum standing sum_up(const struct conn *c, const unsigned char *key, size_t step, int n,
                            uint64_t since_ns)
{
    const struct standing_row *table = c->relay->segment->standings;
    bool is_unasked = false, is_unanswered = false;

    for (int i = 0; i < n; i++, key += step)
        switch (standing_get(table, key, c->relay->now_ns, since_ns)) {
        case STANDING_GOOD:
            break;
        case STANDING_REVOKED:
            return STANDING_REVOKED;
        case STANDING_UNANSWERED:
            is_unanswered = true;
            break;
        case STANDING_UNASKED:
            is_unasked = true;
            break;
        }
    return is_unasked ? STANDING_UNASKED : is_unanswered ? STANDING_UNANSWERED : STANDING_GOOD;
}

static enum opening_verdict refuse(struct conn *c, enum tls_blame blame, const char *why)
{
    c->blame = (uint8_t)blame;
    return refusal_tell_of(c, "OCSP", why, c->subject);
}

static enum opening_verdict judge(struct conn *c, enum standing standing)
{
    struct service_shard *shard = c->service->shard;

    ocsp_drop(c);
    if (standing == STANDING_REVOKED) {
        counter_add(&shard->handshakes_revoked, 1);
        return refuse(c, TLS_BLAME_REVOKED, "the certificate is revoked");
    }
    if (standing != STANDING_GOOD && c->service->model->ocsp_policy == OCSP_STRICT) {
        counter_add(&shard->handshakes_unanswered, 1);
        return refuse(c, TLS_BLAME_UNANSWERED, "no good answer about the certificate");
    }
    handshake_count(c);
    return OPENING_DONE;
}

/* ---- asking ---- */

/* What is to be asked of the client's certificates; -1: it cannot be known. */
static int list_queries(const struct conn *c, struct query queries[QUERIES_MOST])
{
    /* Without it the generation was shed: far too late. */
    return c->service->tls != NULL ? tls_stream_queries(c->client.io_state, queries) : -1;
}

static bool ask_one(const struct conn *c, const struct query *query)
{
    const struct model_service *model = c->service->model;
    const struct model_responder *responder = &model->client_ocsp;
    struct text chain = {0};
    bool is_asked =
        query_print(query, &chain) &&
        questions_put(
            c->relay->segment->questions,
            &(struct question_text){.url = responder->source == OCSP_URL ? responder->text : "",
                                    .chain = chain.at,
                                    .length = chain.length,
                                    .timeout_ms = model->ocsp_timeout_ms,
                                    .keep_ms = model->ocsp_cache_ms});
    text_fini(&chain);
    return is_asked;
}

/* Leaves a question for each that nothing was said about. */
static void ask(struct conn *c, const struct query *queries, int n)
{
    struct asking *asking = c->asking;
    const struct segment *segment = c->relay->segment;

    asking->director = atomic_load(&segment->daemon->director_restarts);
    asking->is_asked = true;
    for (int i = 0; i < n; i++)
        if (standing_get(segment->standings, queries[i].key, c->relay->now_ns,
                         asking->since_ns) == STANDING_UNASKED)
            asking->is_asked &= ask_one(c, &queries[i]);
    bells_ring(&c->relay->bells, BELL_OF_DIRECTOR);
}

static enum opening_verdict begin(struct conn *c)
{
    struct query queries[QUERIES_MOST];
    int n = list_queries(c, queries);
    enum standing standing = n < 0
                                 ? STANDING_UNANSWERED
                                 : sum_up(c, queries[0].key, sizeof queries[0], n, UINT64_MAX);

    if (standing != STANDING_UNASKED)
        return judge(c, standing);
    c->asking = calloc(1, sizeof *c->asking + (size_t)n * STANDING_KEY_BYTES);
    if (c->asking == NULL)
        return OPENING_LIMITED;
    c->asking->c = c;
    c->asking->since_ns = c->relay->now_ns;
    c->asking->n_keys = n;
    for (int i = 0; i < n; i++)
        memcpy(c->asking->keys[i], queries[i].key, STANDING_KEY_BYTES);
    if (c->relay->askings.next == NULL)
        list_init(&c->relay->askings);
    list_append(&c->relay->askings, &c->asking->node);
    ask(c, queries, n);
    return OPENING_MORE;
}

/* Who could not ask all tries again, as who had asked a director that has died since. */
static void ask_again(struct conn *c)
{
    struct query queries[QUERIES_MOST];
    uint64_t director = atomic_load(&c->relay->segment->daemon->director_restarts);

    if (!c->asking->is_asked || c->asking->director != director)
        ask(c, queries, list_queries(c, queries));
}

static enum opening_verdict go_on(struct conn *c)
{
    const struct asking *asking = c->asking;
    enum standing standing =
        sum_up(c, asking->keys[0], sizeof asking->keys[0], asking->n_keys, asking->since_ns);

    if (standing != STANDING_UNASKED)
        return judge(c, standing);
    ask_again(c);
    return OPENING_MORE;
}

enum opening_verdict ocsp_step(struct conn *c)
{
    if (c->asking == NULL)
        return begin(c);
    enum opening_verdict verdict = early_hear(c);
    return verdict == OPENING_DONE ? go_on(c) : verdict;
}

enum opening_verdict ocsp_late(struct conn *c)
{
    return judge(c, STANDING_UNANSWERED);
}

/* ---- all that wait ---- */

void ocsp_serve(struct relay *relay, void (*go_on_with)(struct conn *c))
{
    uint64_t said = atomic_load(&relay->segment->daemon->standings);

    if (said == relay->seen_standings || relay->askings.next == NULL)
        return;
    relay->seen_standings = said;
    LIST_FOREACH_SAFE(node, after, &relay->askings)
        go_on_with(container_of(node, struct asking, node)->c);
}

void ocsp_drop(struct conn *c)
{
    if (c->asking == NULL)
        return;
    list_remove(&c->asking->node);
    free(c->asking);
    c->asking = NULL;
}

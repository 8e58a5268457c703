/* SPDX-License-Identifier: MIT */
/* Asks OCSP responders about the certificates that clients have shown, for the workers, where these wait for it. */
#include "director/asker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/task.h"
#include "base/text.h"
#include "conf/fetched.h"
#include "share/questions.h"
#include "share/standing.h"
#include "tls/fetch.h"
#include "tls/query.h"
#include "tls/staple.h"

/*
 * A responder that has failed is left alone for a second, then for two and so on up to BACK_OFF_MOST_NS: who is asked
 * about meanwhile has no answer at once, so that neither clients nor threads wait for what will not come.
 */
#define BACK_OFF_LEAST_NS CLOCK_NS_PER_S
#define BACK_OFF_MOST_NS (5 * CLOCK_NS_PER_S)

enum {
    THREADS = 8,
    NICENESS = 5,
    JOBS_MOST = 256, /* under way or queued */
    RESPONDERS_MOST = 64
};

/* Who has failed, until he answers. */
struct responder {
    struct list_node node;
    char url[QUESTION_URL_BYTES];
    char why[TLS_REASON_BYTES];
    unsigned n_failures;
    uint64_t again_ns;
};

struct asker {
    struct ev_loop *loop;
    struct ev_io on_done, on_bell;
    const struct segment *segment;
    struct bells *bells;
    struct task_threads *threads; /* NULL until there is something to ask */
    struct list_node jobs, failed;
    size_t n_jobs, n_failed;
    bool is_begun;            /* there is a configuration */
    bool is_wanted;           /* and it has somebody asked */
    struct question question; /* the one that is being looked at */
};

/* ---- on a thread ---- */

/* One question. */
struct job {
    struct list_node node;
    struct asker *asker;
    unsigned char key[STANDING_KEY_BYTES];
    struct text chain;
    struct staple_query query; /* what to send where */
    int64_t timeout_ms, keep_ms;
    uint64_t since_ns;      /* it waits for a thread */
    enum standing standing; /* what has become of it */
    bool is_answered;       /* be it with nonsense */
    bool is_late;           /* nobody waits for it any more */
    int64_t renews_s;
    char why[TLS_REASON_BYTES];
};

static int64_t wall_s(void)
{
    return clock_wall_ns() / (int64_t)CLOCK_NS_PER_S;
}

static void run(void *argument)
{
    struct job *job = argument;
    struct fetch_answer answer;
    uint64_t timeout_ns = (uint64_t)job->timeout_ms * CLOCK_NS_PER_MS;
    job->is_late = clock_now_ns() - job->since_ns > timeout_ns;
    if (job->is_late)
        return;
    struct staple_facts facts = {.renews_s = INT64_MAX};
    int timeout_s = (int)((job->timeout_ms + 999) / 1000);
    if (!staple_fetch(&job->query, FETCHED_STAPLE_MOST, timeout_s, &answer, job->why))
        return;
    bool is_good = staple_check((const unsigned char *)job->chain.at, job->chain.length,
                                answer.bytes, answer.length, wall_s(), &facts, job->why);
    fetch_answer_fini(&answer);
    job->is_answered = true;
    job->standing = is_good            ? STANDING_GOOD
                    : facts.is_revoked ? STANDING_REVOKED
                                       : STANDING_UNANSWERED;
    job->renews_s = facts.renews_s;
}

static void job_free(struct job *job)
{
    staple_query_fini(&job->query);
    text_fini(&job->chain);
    free(job);
}

/* ---- responders that fail ---- */

static struct responder *find_failed(const struct asker *asker, const char *url)
{
    LIST_FOREACH(node, &asker->failed) {
        struct responder *responder = container_of(node, struct responder, node);
        if (strcmp(responder->url, url) == 0)
            return responder;
    }
    return NULL;
}

static void forget_failed(struct asker *asker, struct responder *responder)
{
    list_remove(&responder->node);
    asker->n_failed--;
    free(responder);
}

/* NULL when memory is out: then it is asked again at once. */
static struct responder *have_failed(struct asker *asker, const char *url)
{
    struct responder *responder = find_failed(asker, url);
    if (responder != NULL)
        return responder;
    if (asker->n_failed >= RESPONDERS_MOST)
        forget_failed(asker, container_of(asker->failed.next, struct responder, node));
    responder = calloc(1, sizeof *responder);
    if (responder == NULL)
        return NULL;
    snprintf(responder->url, sizeof responder->url, "%s", url);
    list_append(&asker->failed, &responder->node);
    asker->n_failed++;
    return responder;
}

static void note_failure(struct asker *asker, const struct job *job, uint64_t now_ns)
{
    enum { SHIFT_MOST = 8 };
    struct responder *responder = have_failed(asker, job->query.url);
    if (responder == NULL)
        return;
    if (strcmp(responder->why, job->why) != 0)
        log_warning("OCSP responder %s does not answer: %s", responder->url, job->why);
    snprintf(responder->why, sizeof responder->why, "%s", job->why);
    if (responder->again_ns > now_ns) /* those that were asked at the same time fail together */
        return;
    unsigned shift = responder->n_failures < SHIFT_MOST ? responder->n_failures : SHIFT_MOST;
    uint64_t wait_ns = BACK_OFF_LEAST_NS << shift;
    responder->n_failures++;
    responder->again_ns = now_ns + (wait_ns < BACK_OFF_MOST_NS ? wait_ns : BACK_OFF_MOST_NS);
}

static void note_answer(struct asker *asker, const char *url)
{
    struct responder *responder = find_failed(asker, url);
    if (responder == NULL)
        return;
    log_info("OCSP responder %s answers again", responder->url);
    forget_failed(asker, responder);
}

/* ---- what is said ---- */

static void take_questions(struct asker *asker, bool is_periodic);

/* Workers look when they are rung for. */
static void ring(const struct asker *asker)
{
    atomic_fetch_add(&asker->segment->daemon->standings, 1);
    bells_ring_all(asker->bells);
}

static void say(const struct asker *asker, const unsigned char *key, enum standing standing,
                uint64_t until_ns)
{
    struct daemon_row *daemon = asker->segment->daemon;
    _Atomic uint64_t *count = standing == STANDING_GOOD      ? &daemon->ocsp_good
                              : standing == STANDING_REVOKED ? &daemon->ocsp_revoked
                                                             : &daemon->ocsp_failed;
    atomic_fetch_add(count, 1);
    standing_put(asker->segment->standings, key, standing, clock_now_ns(), until_ns);
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Until when what has come counts, and no longer than it says itself; nothing good counts for a moment only. */
static uint64_t end_of(const struct job *job, uint64_t now_ns)
{
    uint64_t keep_ns = job->keep_ms > 0 ? (uint64_t)job->keep_ms * CLOCK_NS_PER_MS : 0;
    int64_t left_s = job->renews_s != INT64_MAX ? job->renews_s - wall_s() : INT32_MAX;
    uint64_t left_ns = left_s > 0 ? (uint64_t)left_s * CLOCK_NS_PER_S : 0;
    bool is_said = job->standing == STANDING_GOOD || job->standing == STANDING_REVOKED;
    return now_ns + least(keep_ns, is_said ? left_ns : BACK_OFF_LEAST_NS);
}

static void on_run(void *argument)
{
    struct job *job = argument;
    struct asker *asker = job->asker;
    uint64_t now_ns = clock_now_ns();
    if (job->is_late)
        log_warning("OCSP responder %s: more questions wait for it than it answers",
                    job->query.url);
    else if (job->is_answered)
        note_answer(asker, job->query.url);
    else
        note_failure(asker, job, now_ns);
    if (job->is_answered && job->standing == STANDING_UNANSWERED)
        log_warning("OCSP responder %s gives no good answer: %s", job->query.url, job->why);
    say(asker, job->key, job->standing, end_of(job, now_ns));
    list_remove(&job->node);
    asker->n_jobs--;
    job_free(job);
    take_questions(asker, false); /* there is room for one more */
    ring(asker);
}

/* ---- questions ---- */

static void on_done(struct ev_loop *loop, struct ev_io *watch, int events)
{
    const struct asker *asker = watch->data;
    (void)loop;
    (void)events;
    task_collect(asker->threads);
}

static bool have_threads(struct asker *asker)
{
    if (asker->threads != NULL)
        return true;
    asker->threads = task_threads_new_nice(THREADS, NICENESS);
    if (asker->threads == NULL)
        return false;
    ev_io_init(&asker->on_done, on_done, task_threads_fd(asker->threads), EV_READ);
    asker->on_done.data = asker;
    ev_io_start(asker->loop, &asker->on_done);
    return true;
}

static bool is_under_way(const struct asker *asker, const unsigned char *key)
{
    LIST_FOREACH(node, &asker->jobs)
        if (memcmp(container_of(node, struct job, node)->key, key, STANDING_KEY_BYTES) == 0)
            return true;
    return false;
}

static struct job *make_job(struct asker *asker, const unsigned char *key)
{
    const struct question *question = &asker->question;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    *job = (struct job){.asker = asker,
                        .timeout_ms = question->timeout_ms,
                        .since_ns = clock_now_ns(),
                        .keep_ms = question->keep_ms,
                        .standing = STANDING_UNANSWERED};
    memcpy(job->key, key, STANDING_KEY_BYTES);
    text_append(&job->chain, question->chain, question->length);
    if (!job->chain.failed)
        return job;
    job_free(job);
    return NULL;
}

/* Begins it, or says at once that there is no answer. */
static void begin(struct job *job)
{
    struct asker *asker = job->asker;
    uint64_t now_ns = clock_now_ns();
    uint64_t until_ns = end_of(job, now_ns);
    bool is_question = staple_ask((const unsigned char *)job->chain.at, job->chain.length,
                                  asker->question.url, &job->query, job->why);
    const struct responder *responder = is_question ? find_failed(asker, job->query.url) : NULL;
    bool is_closed = responder != NULL && responder->again_ns > now_ns;
    if (is_question && !is_closed && have_threads(asker) &&
        task_submit(asker->threads, run, on_run, job) == 0) {
        list_append(&asker->jobs, &job->node);
        asker->n_jobs++;
        return;
    }
    if (is_closed)
        until_ns = responder->again_ns;
    else
        log_warning("OCSP: nobody can be asked about a client's certificate: %s",
                    is_question ? "out of memory" : job->why);
    say(asker, job->key, STANDING_UNANSWERED, until_ns);
    job_free(job);
    ring(asker);
}

/* Who wrote it may have died over it: then it says nothing. */
static void take_question(struct asker *asker)
{
    const struct question *question = &asker->question;
    unsigned char key[STANDING_KEY_BYTES];
    if (!asker->is_wanted ||
        !query_read(question->url, question->chain, question->length, key) ||
        is_under_way(asker, key))
        return;
    struct job *job = make_job(asker, key);
    if (job != NULL)
        begin(job);
    else
        log_error("out of memory: an OCSP responder is not asked");
}

/* As many as there is room for: the rest waits in the segment, and who finds no room there asks again. */
static void take_questions(struct asker *asker, bool is_periodic)
{
    struct question_place *places = asker->segment->questions;
    while (asker->is_begun && asker->n_jobs < JOBS_MOST &&
           questions_take(places, &asker->question, is_periodic))
        take_question(asker);
}

static void on_bell(struct ev_loop *loop, struct ev_io *watch, int events)
{
    struct asker *asker = watch->data;
    (void)loop;
    (void)events;
    bells_hush(asker->bells, BELL_OF_DIRECTOR);
    take_questions(asker, false);
}

void asker_hear(struct asker *asker, int fd)
{
    ev_io_stop(asker->loop, &asker->on_bell); /* its descriptor may be replaced */
    bells_put(asker->bells, BELL_OF_DIRECTOR, fd);
    ev_io_set(&asker->on_bell, fd, EV_READ);
    ev_io_start(asker->loop, &asker->on_bell);
}

void asker_look(struct asker *asker)
{
    take_questions(asker, true);
}

void asker_apply(struct asker *asker, const struct model *model)
{
    asker->is_wanted = false;
    for (size_t i = 0; i < model->n_services; i++)
        asker->is_wanted |= model->services[i].client_ocsp.source != OCSP_NO;
    /* Before there are many descriptors, where somebody may be asked about. */
    if (asker->is_wanted && !have_threads(asker))
        log_error("OCSP responders cannot be asked yet: no thread is to be had");
    if (asker->is_begun)
        return;
    asker->is_begun = true;
    if (asker->is_wanted)
        ring(asker); /* who has asked another before asks anew */
}

/* ---- all ---- */

struct asker *asker_new(struct ev_loop *loop, const struct segment *segment,
                        struct bells *bells)
{
    struct asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL)
        return NULL;
    asker->loop = loop;
    asker->segment = segment;
    asker->bells = bells;
    list_init(&asker->jobs);
    list_init(&asker->failed);
    ev_io_init(&asker->on_bell, on_bell, -1, EV_READ);
    asker->on_bell.data = asker;
    return asker;
}

bool asker_free(struct asker *asker)
{
    if (asker == NULL)
        return true;
    if (asker->n_jobs > 0)
        return false;
    ev_io_stop(asker->loop, &asker->on_bell);
    if (asker->threads != NULL) {
        ev_io_stop(asker->loop, &asker->on_done);
        task_threads_free(asker->threads);
    }
    LIST_FOREACH_SAFE(node, after, &asker->failed)
        forget_failed(asker, container_of(node, struct responder, node));
    free(asker);
    return true;
}

/* SPDX-License-Identifier: MIT */
/* Fetches lists of revoked certificates and OCSP staples, and fetches them again in time. */
#include "director/renewal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/task.h"
#include "base/text.h"
#include "conf/crls.h"
#include "conf/fetched.h"
#include "director/renewable.h"
#include "tls/crl.h"
#include "tls/fetch.h"
#include "tls/staple.h"

/*
 * Something good is asked for again when half of the time that it has left is over, a list of years once an hour all
 * the same: who was revoked meanwhile is to be known. What fails is tried again after 2 s, 4 s and so on, up to 5 minutes.
 */
enum {
    THREADS = 4, /* some servers that do not answer do not hold up the rest */
    NICENESS = 5,
    TRANSFER_MOST_S = 30,
    AGAIN_LEAST_S = 2,
    AGAIN_MOST_S = 3600,
    BACK_OFF_MOST_S = 300,
    POINT_FAILURES_MOST = 10
};

struct renewal {
    struct ev_loop *loop;
    struct ev_io on_done;
    struct task_threads *threads; /* NULL until there is something to fetch */
    struct list_node items;
    struct text auto_trust; /* PEM: client_ca of all services that say auto; empty: none does */
    renewal_tell *tell;
    void *context;
};

static int64_t now_s(void)
{
    return clock_wall_ns() / (int64_t)CLOCK_NS_PER_S;
}

/* ---- on a thread ---- */

/* One transfer. The item lives until it is done. */
struct job {
    struct renewable *item;
    enum renewable_kind kind;
    char *url; /* owned; of a list */
    struct text trust, before;
    bool is_judged;
    struct fetch_answer answer;
    int64_t renews_s;
    enum { JOB_FAILED, JOB_KEPT, JOB_FETCHED } result;
    char why[TLS_REASON_BYTES];
};

static bool judge(struct job *job, const void *bytes, size_t length, bool is_new)
{
    struct crl_facts list = {0};
    struct staple_facts staple = {0};
    const unsigned char *trust = (const unsigned char *)job->trust.at;
    bool is_good =
        job->kind == RENEWABLE_CRL
            ? crl_check(bytes, length, trust, job->trust.length,
                        (const unsigned char *)job->before.at, is_new ? job->before.length : 0,
                        now_s(), &list, job->why)
            : staple_check(trust, job->trust.length, bytes, length, now_s(), &staple, job->why);
    if (is_good)
        job->renews_s = job->kind == RENEWABLE_CRL ? list.renews_s : staple.renews_s;
    return is_good;
}

static bool fetch_list(struct job *job)
{
    const struct fetch_order order = {
        .url = job->url, .most_bytes = FETCHED_CRL_MOST, .most_s = TRANSFER_MOST_S};
    return fetch_run(&order, &job->answer, job->why);
}

static bool fetch_staple(struct job *job)
{
    struct staple_query query;
    if (!staple_ask((const unsigned char *)job->trust.at, job->trust.length, "", &query,
                    job->why))
        return false;
    bool is_fetched =
        staple_fetch(&query, FETCHED_STAPLE_MOST, TRANSFER_MOST_S, &job->answer, job->why);
    staple_query_fini(&query);
    return is_fetched;
}

static void run(void *argument)
{
    struct job *job = argument;
    if (!job->is_judged && job->before.length > 0) {
        if (judge(job, job->before.at, job->before.length, false)) {
            job->result = JOB_KEPT;
            return;
        }
        text_clear(&job->before); /* it is no measure for what comes */
    }
    bool is_fetched = job->kind == RENEWABLE_CRL ? fetch_list(job) : fetch_staple(job);
    if (is_fetched && judge(job, job->answer.bytes, job->answer.length, true))
        job->result = JOB_FETCHED;
}

/* ---- what has become of it ---- */

static const char *kind_words(const struct renewable *item)
{
    return item->kind == RENEWABLE_CRL ? "revocation list" : "staple of";
}

static int64_t half_of(int64_t left_s)
{
    int64_t half_s = left_s / 2;
    return half_s < AGAIN_LEAST_S  ? AGAIN_LEAST_S
           : half_s > AGAIN_MOST_S ? AGAIN_MOST_S
                                   : half_s;
}

static void note_failure(struct renewable *item, const struct job *job)
{
    enum { SHIFT_MOST = 10 };
    int64_t wait_s =
        INT64_C(2) << (item->n_failures < SHIFT_MOST ? item->n_failures : SHIFT_MOST);
    if (wait_s > BACK_OFF_MOST_S)
        wait_s = BACK_OFF_MOST_S;
    bool is_news = item->n_failures == 0 || strcmp(item->why, job->why) != 0;
    item->n_failures++;
    item->due_s = now_s() + wait_s;
    snprintf(item->why, sizeof item->why, "%s", job->why);
    if (is_news)
        log_warning("%s %s cannot be renewed: %s; tried again in %" PRId64 " s%s",
                    kind_words(item), item->of, item->why, wait_s,
                    item->bytes.length > 0 ? ", what is there stays" : "");
}

static void print_when(char out[CLOCK_TEXT_BYTES], int64_t at_s)
{
    if (at_s == INT64_MAX)
        snprintf(out, CLOCK_TEXT_BYTES, "no time");
    else
        clock_print_utc(out, at_s * (int64_t)CLOCK_NS_PER_S);
}

static void tell_points(const struct renewal *renewal)
{
    struct text points = {0};
    LIST_FOREACH(node, &renewal->items) {
        const struct renewable *item = container_of(node, struct renewable, node);
        if (item->is_point && item->bytes.length > 0)
            text_printf(&points, "%s\n", item->of);
    }
    if (!points.failed)
        renewal->tell(renewal->context, FETCHED_POINTS, points.at, points.length);
    text_fini(&points);
}

static void note_fetched(struct renewable *item, const struct job *job)
{
    struct renewal *renewal = item->renewal;
    char when[CLOCK_TEXT_BYTES];
    bool is_same = item->bytes.length == job->answer.length &&
                   memcmp(item->bytes.at, job->answer.bytes, job->answer.length) == 0;
    if (item->n_failures > 0 || !is_same) {
        print_when(when, job->renews_s);
        log_info("%s %s: fetched, %zu bytes, good until %s", kind_words(item), item->of,
                 job->answer.length, when);
    }
    if (is_same)
        return;
    bool is_first = item->bytes.length == 0;
    text_clear(&item->bytes);
    text_append(&item->bytes, job->answer.bytes, job->answer.length);
    if (item->bytes.failed) {
        log_error("out of memory: %s is not used yet", item->name);
        text_fini(&item->bytes);
        return;
    }
    if (is_first && item->is_point)
        tell_points(renewal);
    renewal->tell(renewal->context, item->name, item->bytes.at, item->bytes.length);
}

static void job_free(struct job *job)
{
    fetch_answer_fini(&job->answer);
    text_fini(&job->trust);
    text_fini(&job->before);
    free(job->url);
    free(job);
}

static void on_run(void *argument)
{
    struct job *job = argument;
    struct renewable *item = job->item;
    item->is_out = false;
    if (item->is_outdated) {
        item->is_outdated = false;
    } else if (item->is_wanted && job->result == JOB_FAILED) {
        note_failure(item, job);
    } else if (item->is_wanted) {
        if (job->result == JOB_FETCHED)
            note_fetched(item, job);
        item->is_judged = true;
        item->n_failures = 0;
        item->due_s = now_s() + half_of(job->renews_s - now_s());
    }
    bool is_hopeless =
        item->is_point && item->bytes.length == 0 && item->n_failures >= POINT_FAILURES_MOST;
    if (!item->is_wanted || is_hopeless)
        renewable_free(item);
    job_free(job);
}

static void on_done(struct ev_loop *loop, struct ev_io *watch, int events)
{
    const struct renewal *renewal = watch->data;
    (void)loop;
    (void)events;
    task_collect(renewal->threads);
}

/* ---- beginning ---- */

static bool have_threads(struct renewal *renewal)
{
    if (renewal->threads != NULL)
        return true;
    renewal->threads = task_threads_new_nice(THREADS, NICENESS);
    if (renewal->threads == NULL)
        return false;
    ev_io_init(&renewal->on_done, on_done, task_threads_fd(renewal->threads), EV_READ);
    renewal->on_done.data = renewal;
    ev_io_start(renewal->loop, &renewal->on_done);
    return true;
}

static struct job *make_job(struct renewable *item)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->item = item;
    job->kind = item->kind;
    job->is_judged = item->is_judged;
    job->url = strdup(item->of);
    text_append(&job->trust, item->trust.at, item->trust.length);
    text_append(&job->before, item->bytes.at, item->bytes.length);
    if (job->url != NULL && !job->trust.failed && !job->before.failed)
        return job;
    job_free(job);
    return NULL;
}

static void begin(struct renewable *item)
{
    struct renewal *renewal = item->renewal;
    struct job *job = have_threads(renewal) ? make_job(item) : NULL;
    if (job != NULL && task_submit(renewal->threads, run, on_run, job) == 0) {
        item->is_out = true;
        return;
    }
    if (job != NULL)
        job_free(job);
    item->due_s = now_s() + AGAIN_LEAST_S;
    log_error("out of memory: %s is not fetched now", item->name);
}

static void begin_due(struct renewal *renewal)
{
    int64_t at_s = now_s();
    LIST_FOREACH_SAFE(node, after, &renewal->items) {
        struct renewable *item = container_of(node, struct renewable, node);
        if (!item->is_out && item->due_s <= at_s)
            begin(item);
    }
}

/* ---- what is wanted ---- */

static struct renewable *have(struct renewal *renewal, enum renewable_kind kind, const char *of)
{
    struct renewable *item = renewable_have(&renewal->items, kind, of);
    if (item != NULL)
        item->renewal = renewal;
    return item;
}

static void add_trust(struct text *trust, const struct model_file *file)
{
    text_append(trust, file->bytes, file->length);
    text_append(trust, "\n", 1);
}

/* Bytes that another director has fetched, or that were kept from before, are judged first of all. */
static void take_bytes(struct renewable *item, const struct model *model)
{
    const struct model_file *file =
        fetched_of(model, item->kind == RENEWABLE_CRL ? FETCHED_CRL : FETCHED_STAPLE, item->of);
    if (file == NULL || item->is_out || item->bytes.length > 0)
        return;
    text_append(&item->bytes, file->bytes, file->length);
}

static bool want(struct renewal *renewal, const struct model *model, enum renewable_kind kind,
                 const char *of, const struct model_file *trust, bool is_point)
{
    struct renewable *item = have(renewal, kind, of);
    if (item == NULL)
        return false;
    item->is_wanted = true;
    item->is_point |= is_point;
    add_trust(&item->trust, trust);
    take_bytes(item, model);
    return !item->trust.failed && !item->bytes.failed;
}

/* Of a service that says auto: what certificates have named until now. */
static bool want_points(struct renewal *renewal, const struct model *model,
                        const struct model_service *service)
{
    const struct model_file *points = fetched_of(model, FETCHED_POINTS, "");
    char url[MODEL_URL_MOST + 1];
    bool is_fine = true;
    add_trust(&renewal->auto_trust, &service->client_ca);
    for (size_t at = 0; points != NULL && is_fine && fetched_next_point(points, &at, url);)
        is_fine = want(renewal, model, RENEWABLE_CRL, url, &service->client_ca, true);
    return is_fine && !renewal->auto_trust.failed;
}

static bool want_of(struct renewal *renewal, const struct model *model,
                    const struct model_service *service)
{
    bool is_fine = true;
    for (size_t i = 0; i < service->n_crls && service->client_ca.path[0] != '\0'; i++) {
        const struct model_crl *crl = &service->crls[i];
        if (crl->source == CRL_URL)
            is_fine &=
                want(renewal, model, RENEWABLE_CRL, crl->text, &service->client_ca, false);
        else if (crl->source == CRL_AUTO)
            is_fine &= want_points(renewal, model, service);
    }
    for (size_t i = 0; i < service->n_certificates && service->ocsp_stapling; i++)
        is_fine &= want(renewal, model, RENEWABLE_STAPLE, service->certificates[i].chain.path,
                        &service->certificates[i].chain, false);
    return is_fine;
}

/* Points that are being fetched for the first time: the configuration does not have them yet. */
static void want_new_points(struct renewal *renewal)
{
    LIST_FOREACH(node, &renewal->items) {
        struct renewable *item = container_of(node, struct renewable, node);
        if (!item->is_point || item->is_wanted || renewal->auto_trust.length == 0)
            continue;
        item->is_wanted = true;
        text_append(&item->trust, renewal->auto_trust.at, renewal->auto_trust.length);
    }
}

static uint64_t digest(const struct text *text)
{
    static const struct hash_key key; /* nobody outside decides what is compared */
    return hash_bytes(&key, text->at, text->length);
}

/* Another certificate, another authority: what has failed before may be good now. */
static void begin_anew(struct renewable *item)
{
    item->due_s = 0;
    item->n_failures = 0;
    item->is_judged = false;
    item->is_outdated = item->is_out;
}

int renewal_apply(struct renewal *renewal, const struct model *model)
{
    bool is_fine = true;
    text_clear(&renewal->auto_trust);
    LIST_FOREACH(node, &renewal->items) {
        struct renewable *item = container_of(node, struct renewable, node);
        item->is_wanted = false;
        item->digest = digest(&item->trust);
        text_clear(&item->trust);
    }
    for (size_t i = 0; i < model->n_services; i++)
        is_fine &= want_of(renewal, model, &model->services[i]);
    want_new_points(renewal);
    LIST_FOREACH_SAFE(node, after, &renewal->items) {
        struct renewable *item = container_of(node, struct renewable, node);
        if (!item->is_wanted && !item->is_out)
            renewable_free(item);
        else if (item->digest != digest(&item->trust))
            begin_anew(item);
    }
    /* Before there are many descriptors, where something may be wished for. */
    is_fine &= renewal->auto_trust.length == 0 || have_threads(renewal);
    begin_due(renewal);
    if (is_fine)
        return 0;
    errno = ENOMEM;
    return -1;
}

static size_t count_points(const struct renewal *renewal)
{
    size_t n = 0;
    LIST_FOREACH(node, &renewal->items)
        n += container_of(node, struct renewable, node)->is_point;
    return n;
}

static void take_wish(struct renewal *renewal, const char *url)
{
    struct renewable *item = renewable_find(&renewal->items, RENEWABLE_CRL, url);
    if (item != NULL || renewal->auto_trust.length == 0)
        return;
    if (count_points(renewal) >= FETCHED_POINTS_MOST) {
        log_warning("revocation list %s, which a client's certificate names, is not fetched: "
                    "there are %d of them already",
                    url, FETCHED_POINTS_MOST);
        return;
    }
    item = have(renewal, RENEWABLE_CRL, url);
    if (item == NULL) {
        log_error("out of memory: %s is not fetched", url);
        return;
    }
    item->is_wanted = item->is_point = true;
    text_append(&item->trust, renewal->auto_trust.at, renewal->auto_trust.length);
}

void renewal_look(struct renewal *renewal, struct wishes *wishes)
{
    char url[WISH_BYTES];
    while (wishes_take(wishes, url))
        take_wish(renewal, url);
    begin_due(renewal);
}

/* ---- all ---- */

struct renewal *renewal_new(struct ev_loop *loop, renewal_tell *tell, void *context)
{
    struct renewal *renewal = calloc(1, sizeof *renewal);
    if (renewal == NULL)
        return NULL;
    renewal->loop = loop;
    renewal->tell = tell;
    renewal->context = context;
    list_init(&renewal->items);
    return renewal;
}

bool renewal_free(struct renewal *renewal)
{
    bool is_out = false;
    if (renewal == NULL)
        return true;
    LIST_FOREACH(node, &renewal->items)
        is_out |= container_of(node, struct renewable, node)->is_out;
    if (is_out)
        return false;
    if (renewal->threads != NULL) {
        ev_io_stop(renewal->loop, &renewal->on_done);
        task_threads_free(renewal->threads);
    }
    LIST_FOREACH_SAFE(node, after, &renewal->items)
        renewable_free(container_of(node, struct renewable, node));
    text_fini(&renewal->auto_trust);
    free(renewal);
    return true;
}

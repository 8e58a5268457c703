/* SPDX-License-Identifier: MIT */
/* A service's TLS: from what its configuration says to what clients meet. */
#include "relay/termination.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "conf/directives.h"
#include "conf/fetched.h"
#include "conf/store.h"
#include "tls/serverside.h"

#define ROW(member) DIRECTIVE_OF(SECTION_SERVICE, model_service, member)

bool termination_is_wanted(const struct model_service *model)
{
    for (size_t i = 0; i < model->n_listens; i++)
        if (model->listens[i].tls)
            return true;
    return false;
}

static const struct conf_section *section_of(const struct service *service,
                                             const struct model *model)
{
    return store_find_section(model->store, SECTION_SERVICE, service->model->name);
}

static void blame(const struct service *service, const struct model *model,
                  const struct tls_server_fault *fault, struct problems *problems)
{
    const struct conf_section *section = section_of(service, model);
    const struct directive *row = NULL;
    const char *path = NULL;
    switch (fault->part) {
    case TLS_PART_CERTIFICATE:
        row = ROW(certificates);
        path = service->model->certificates[fault->nth].chain.path;
        break;
    case TLS_PART_LIST:
        row = ROW(crls);
        path = service->model->crls[fault->nth].text;
        break;
    case TLS_PART_CIPHERS:
        row = ROW(tls_ciphers);
        break;
    case TLS_PART_CA:
        row = ROW(client_ca);
        path = service->model->client_ca.path;
        break;
    case TLS_PART_ALL:
        break;
    }
    bool repeats = fault->part == TLS_PART_CERTIFICATE || fault->part == TLS_PART_LIST;
    size_t nth = repeats ? fault->nth : 0;
    problems_add(problems, store_place(section, row, nth), section->title,
                 row != NULL ? row->key : NULL, "%s%s%s", path != NULL ? path : "",
                 path != NULL ? ": " : "", fault->reason);
}

/* The pairs of all certificates; NULL when memory is out. */
static struct tls_pair *list_pairs(const struct model_service *model)
{
    struct tls_pair *pairs = calloc(model->n_certificates, sizeof *pairs);
    for (size_t i = 0; pairs != NULL && i < model->n_certificates; i++) {
        const struct model_certificate *certificate = &model->certificates[i];
        pairs[i] = (struct tls_pair){certificate->chain.bytes, certificate->key.bytes,
                                     certificate->chain.length, certificate->key.length};
    }
    return pairs;
}

/* The staples of all certificates, as far as they are wanted and there are some; NULL when memory is out. */
static struct tls_staple *list_staples(const struct model_service *service,
                                       const struct model *model)
{
    struct tls_staple *staples = calloc(service->n_certificates, sizeof *staples);
    for (size_t i = 0; staples != NULL && service->ocsp_stapling && i < service->n_certificates;
         i++) {
        const struct model_file *chain = &service->certificates[i].chain;
        const struct model_file *file = fetched_of(model, FETCHED_STAPLE, chain->path);
        staples[i] = (struct tls_staple){.chain = chain->bytes, .chain_length = chain->length};
        if (file != NULL) {
            staples[i].bytes = file->bytes;
            staples[i].length = file->length;
        }
    }
    return staples;
}

static void put_fetched(struct tls_list *list, const struct model *model, const char *url)
{
    const struct model_file *file = fetched_of(model, FETCHED_CRL, url);
    *list = (struct tls_list){.bytes = (const unsigned char *)"", .is_fetched = true};
    if (file != NULL) {
        list->bytes = file->bytes;
        list->length = file->length;
    }
}

static size_t put_points(struct tls_list *lists, const struct model *model)
{
    const struct model_file *points = fetched_of(model, FETCHED_POINTS, "");
    char url[MODEL_URL_MOST + 1];
    size_t n = 0;
    for (size_t at = 0;
         points != NULL && n < FETCHED_POINTS_MOST && fetched_next_point(points, &at, url);)
        put_fetched(&lists[n++], model, url);
    return n;
}

/*
 * Those that lines name, in their order, then those that clients' certificates name. NULL when memory is out.
 * n  out: how many
 */
static struct tls_list *list_lists(const struct model_service *service,
                                   const struct model *model, size_t *n)
{
    struct tls_list *lists = calloc(service->n_crls + FETCHED_POINTS_MOST + 1, sizeof *lists);
    for (*n = 0; lists != NULL && *n < service->n_crls; (*n)++) {
        const struct model_crl *crl = &service->crls[*n];
        if (crl->source == CRL_FILE)
            lists[*n] = (struct tls_list){.bytes = crl->file.bytes, .length = crl->file.length};
        else
            put_fetched(&lists[*n], model, crl->text);
    }
    if (lists != NULL && fetched_is_auto(service))
        *n += put_points(lists + *n, model);
    return lists;
}

static enum tls_ask ask_of(enum client_verify verify)
{
    switch (verify) {
    case CLIENT_VERIFY_NONE:
        break;
    case CLIENT_VERIFY_OPTIONAL:
        return TLS_ASK_OPTIONAL;
    case CLIENT_VERIFY_REQUIRED:
        return TLS_ASK_REQUIRED;
    }
    return TLS_ASK_NOTHING;
}

static void warn_of_expiry(const struct service *service, const struct model *model,
                           struct problems *problems)
{
    const struct conf_section *section = section_of(service, model);
    int64_t now_s = (int64_t)time(NULL);
    for (size_t i = 0; i < service->model->n_certificates; i++)
        if (tls_server_expires(service->tls, i) < now_s)
            problems_warn(problems, store_place(section, ROW(certificates), i), section->title,
                          ROW(certificates)->key, "%s has expired",
                          service->model->certificates[i].chain.path);
    if (tls_server_lists_renew(service->tls) < now_s)
        problems_warn(problems, store_place(section, ROW(crls), 0), section->title,
                      ROW(crls)->key, "a list should have been renewed by now: %s",
                      service->model->crl_policy == CRL_STRICT
                          ? "who it is about is refused"
                          : "it counts all the same (crl_policy)");
}

/* What is asked about clients' certificates. */
static void plan_revocation(struct revocation_plan *plan, const struct model_service *asked,
                            const struct segment *segment)
{
    const struct model_responder *responder = &asked->client_ocsp;
    plan->is_asked = asked->n_crls > 0;
    plan->is_lenient = asked->crl_policy == CRL_LENIENT;
    plan->wishes = fetched_is_auto(asked) ? &segment->daemon->wishes : NULL;
    plan->standings = segment->standings;
    if (responder->source != OCSP_NO)
        plan->responder = responder->source == OCSP_URL ? responder->text : "";
}

bool termination_prepare(struct service *service, const struct model *model,
                         const struct segment *segment, struct problems *problems)
{
    const struct model_service *asked = service->model;
    struct tls_server_fault fault = {.part = TLS_PART_ALL, .reason = "out of memory"};
    struct tls_server_plan plan = {
        .service = asked->name,
        .n_pairs = asked->n_certificates,
        .is_1_3_alone = asked->tls_min == TLS_LEAST_1_3,
        .ciphers = asked->tls_ciphers,
        .protocols = asked->tls_alpn.wire,
        .protocols_length = asked->tls_alpn.wire_length,
        .ca = asked->client_ca.bytes,
        .ca_length = asked->client_ca.length,
        .ask = ask_of(asked->client_verify),
        .depth = (int)asked->client_depth,
        .tickets = &segment->daemon->tickets,
        .remembered = segment->remembered,
        .ticket_lifetime_s = model->global.ticket_rotation_ms / 1000 * (TICKETS_PAST + 1),
    };
    if (!termination_is_wanted(asked))
        return true;
    struct tls_pair *pairs = list_pairs(asked);
    struct tls_staple *staples = list_staples(asked, model);
    struct tls_list *lists = list_lists(asked, model, &plan.revocation.n_lists);
    plan_revocation(&plan.revocation, asked, segment);
    plan.pairs = pairs;
    plan.staples = asked->ocsp_stapling ? staples : NULL;
    plan.revocation.lists = lists;
    if (pairs != NULL && staples != NULL && lists != NULL)
        service->tls = tls_server_new(&plan, &fault);
    free(pairs);
    free(staples);
    free(lists);
    if (service->tls == NULL)
        blame(service, model, &fault, problems);
    else
        warn_of_expiry(service, model, problems);
    return service->tls != NULL;
}

/* SPDX-License-Identifier: MIT */
/* A service's TLS: from what its configuration says to what clients meet. */
#include "relay/termination.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "conf/directives.h"
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
        path = service->model->certificates[fault->pair].chain.path;
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
    size_t nth = fault->part == TLS_PART_CERTIFICATE ? fault->pair : 0;
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
}

bool termination_prepare(struct service *service, const struct model *model,
                         const struct tickets *tickets, struct problems *problems)
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
        .tickets = tickets,
        .ticket_lifetime_s = model->global.ticket_rotation_ms / 1000 * (TICKETS_PAST + 1),
    };
    if (!termination_is_wanted(asked))
        return true;
    struct tls_pair *pairs = list_pairs(asked);
    plan.pairs = pairs;
    if (pairs != NULL)
        service->tls = tls_server_new(&plan, &fault);
    free(pairs);
    if (service->tls == NULL)
        blame(service, model, &fault, problems);
    else
        warn_of_expiry(service, model, problems);
    return service->tls != NULL;
}

/* SPDX-License-Identifier: MIT */
/* When the certificates of a configuration end, its lists and staples are to be renewed. */
#include "admin/expiries.h"

#include <stdlib.h>

#include "base/clock.h"
#include "conf/directives.h"
#include "conf/fetched.h"
#include "conf/store.h"
#include "tls/crl.h"
#include "tls/pair.h"
#include "tls/staple.h"

static void put(struct expiries *out, const struct conf_section *section, const char *key,
                const char *path, int64_t expires_s, bool is_renewed)
{
    if (section != NULL && expires_s != INT64_MAX)
        out->at[out->n++] = (struct expiry){.section = section->title,
                                            .key = key,
                                            .path = path,
                                            .expires_s = expires_s,
                                            .is_renewed = is_renewed};
}

/* Files without a certificate, as one whose certificates are withheld, are left out. */
static void add(struct expiries *out, const struct conf_section *section, const char *key,
                const struct model_file *file)
{
    int64_t expires_s;
    if (file->path[0] != '\0' && tls_pair_expiry(file->bytes, file->length, &expires_s))
        put(out, section, key, file->path, expires_s, false);
}

/* file: NULL when it has not come yet; path: as the configuration has it. */
static void add_list(struct expiries *out, const struct conf_section *section,
                     const struct model_file *file, const char *path)
{
    char unused[TLS_REASON_BYTES];
    struct crl_facts facts = {.renews_s = 0};
    struct stack_st_X509_CRL *lists =
        file != NULL ? crl_read(file->bytes, file->length, unused) : NULL;
    if (lists != NULL)
        crl_look(lists, &facts);
    crl_free(lists);
    put(out, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, crls)->key, path,
        facts.renews_s, true);
}

static void add_points(struct expiries *out, const struct model *model,
                       const struct conf_section *section)
{
    const struct model_file *points = fetched_of(model, FETCHED_POINTS, "");
    char url[MODEL_URL_MOST + 1];
    size_t n = 0;
    for (size_t at = 0;
         points != NULL && n++ < FETCHED_POINTS_MOST && fetched_next_point(points, &at, url);) {
        const struct model_file *file = fetched_of(model, FETCHED_CRL, url);
        if (file != NULL)
            add_list(out, section, file, file->path + sizeof FETCHED_CRL - 1);
    }
}

static void add_lists(struct expiries *out, const struct model *model,
                      const struct conf_section *section, const struct model_service *service)
{
    for (size_t i = 0; i < service->n_crls; i++) {
        const struct model_crl *crl = &service->crls[i];
        if (crl->source == CRL_AUTO)
            add_points(out, model, section);
        else
            add_list(out, section,
                     crl->source == CRL_FILE ? &crl->file
                                             : fetched_of(model, FETCHED_CRL, crl->text),
                     crl->text);
    }
}

static void add_staple(struct expiries *out, const struct model *model,
                       const struct conf_section *section, const char *path)
{
    struct staple_facts facts;
    const struct model_file *file = fetched_of(model, FETCHED_STAPLE, path);
    if (file != NULL && staple_look(file->bytes, file->length, &facts))
        put(out, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, ocsp_stapling)->key,
            path, facts.renews_s, true);
}

static void add_service(struct expiries *out, const struct model *model,
                        const struct conf_section *section, const struct model_service *service)
{
    const char *key = DIRECTIVE_OF(SECTION_SERVICE, model_service, certificates)->key;
    for (size_t i = 0; i < service->n_certificates; i++)
        add(out, section, key, &service->certificates[i].chain);
    add(out, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, client_ca)->key,
        &service->client_ca);
    add_lists(out, model, section, service);
    for (size_t i = 0; service->ocsp_stapling && i < service->n_certificates; i++)
        add_staple(out, model, section, service->certificates[i].chain.path);
}

static void add_group(struct expiries *out, const struct conf_section *section,
                      const struct model_group *group)
{
    add(out, section, DIRECTIVE_OF(SECTION_GROUP, model_group, tls_certificate)->key,
        &group->tls_certificate.chain);
    add(out, section, DIRECTIVE_OF(SECTION_GROUP, model_group, tls_ca)->key, &group->tls_ca);
}

int expiries_make(const struct model *model, struct expiries *out)
{
    size_t most = 1 + 2 * model->n_groups;
    for (size_t i = 0; i < model->n_services; i++)
        most += 1 + 2 * model->services[i].n_certificates +
                model->services[i].n_crls * (1 + FETCHED_POINTS_MOST);
    *out = (struct expiries){.at = calloc(most, sizeof *out->at)};
    if (out->at == NULL)
        return -1;
    add(out, store_find_section(model->store, SECTION_ADMIN, ""),
        DIRECTIVE_OF(SECTION_ADMIN, model_admin, certificate)->key,
        &model->admin.certificate.chain);
    for (size_t i = 0; i < model->n_services; i++)
        add_service(out, model,
                    store_find_section(model->store, SECTION_SERVICE, model->services[i].name),
                    &model->services[i]);
    for (size_t i = 0; i < model->n_groups; i++)
        add_group(out, store_find_section(model->store, SECTION_GROUP, model->groups[i].name),
                  &model->groups[i]);
    return 0;
}

void expiries_fini(struct expiries *expiries)
{
    free(expiries->at);
    *expiries = (struct expiries){0};
}

double expiry_left_s(const struct expiry *expiry, int64_t wall_ns)
{
    return expiry->expires_s == 0
               ? 0.
               : (double)expiry->expires_s - (double)wall_ns / (double)CLOCK_NS_PER_S;
}

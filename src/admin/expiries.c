/* SPDX-License-Identifier: MIT */
/* When the certificates of a configuration end. */
#include "admin/expiries.h"

#include <stdlib.h>

#include "conf/directives.h"
#include "conf/store.h"
#include "tls/pair.h"

/* Files without a certificate, as one whose certificates are withheld, are left out. */
static void add(struct expiries *out, const struct conf_section *section, const char *key,
                const struct model_file *file)
{
    int64_t expires_s;
    if (section == NULL || file->path[0] == '\0' ||
        !tls_pair_expiry(file->bytes, file->length, &expires_s))
        return;
    out->at[out->n++] = (struct expiry){
        .section = section->title, .key = key, .path = file->path, .expires_s = expires_s};
}

static void add_service(struct expiries *out, const struct conf_section *section,
                        const struct model_service *service)
{
    const char *key = DIRECTIVE_OF(SECTION_SERVICE, model_service, certificates)->key;
    for (size_t i = 0; i < service->n_certificates; i++)
        add(out, section, key, &service->certificates[i].chain);
    add(out, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, client_ca)->key,
        &service->client_ca);
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
        most += 1 + model->services[i].n_certificates;
    *out = (struct expiries){.at = calloc(most, sizeof *out->at)};
    if (out->at == NULL)
        return -1;
    add(out, store_find_section(model->store, SECTION_ADMIN, ""),
        DIRECTIVE_OF(SECTION_ADMIN, model_admin, certificate)->key,
        &model->admin.certificate.chain);
    for (size_t i = 0; i < model->n_services; i++)
        add_service(out,
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

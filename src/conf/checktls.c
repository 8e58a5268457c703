/* SPDX-License-Identifier: MIT */
/* What the TLS keys of a service must say together. */
#include "conf/checktls.h"

#include "conf/directives.h"

#define ROW(member) DIRECTIVE_OF(SECTION_SERVICE, model_service, member)

static const struct model_listen *find_tls_listen(const struct model_service *service)
{
    for (size_t i = 0; i < service->n_listens; i++)
        if (service->listens[i].tls)
            return &service->listens[i];
    return NULL;
}

/* Keys that only count where TLS is spoken with clients. */
static void warn_of_unused(const struct conf_section *section, struct problems *problems)
{
    const struct directive *const rows[] = {
        ROW(certificates),  ROW(tls_min),       ROW(tls_ciphers),  ROW(tls_alpn),
        ROW(client_ca),     ROW(client_verify), ROW(client_depth), ROW(crls),
        ROW(crl_policy),    ROW(client_ocsp),   ROW(ocsp_policy),  ROW(ocsp_timeout_ms),
        ROW(ocsp_cache_ms), ROW(ocsp_stapling)};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (store_find_line(section, rows[i]) != NULL)
            problems_warn(problems, store_place(section, rows[i], 0), section->title,
                          rows[i]->key, "has no effect: no %s address has the word tls",
                          ROW(listens)->key);
}

static void check_responder(const struct model_service *service,
                            const struct conf_section *section, struct problems *problems)
{
    const struct directive *const rows[] = {ROW(ocsp_policy), ROW(ocsp_timeout_ms),
                                            ROW(ocsp_cache_ms)};
    const struct directive *ocsp = ROW(client_ocsp);
    bool is_asked = service->client_ocsp.source != OCSP_NO;
    if (is_asked && service->client_verify == CLIENT_VERIFY_NONE)
        problems_warn(problems, store_place(section, ocsp, 0), section->title, ocsp->key,
                      "has no effect: %s is none", ROW(client_verify)->key);
    for (size_t i = 0; !is_asked && i < sizeof rows / sizeof rows[0]; i++)
        if (store_find_line(section, rows[i]) != NULL)
            problems_warn(problems, store_place(section, rows[i], 0), section->title,
                          rows[i]->key, "has no effect: %s is no", ocsp->key);
}

static void check_clients(const struct model_service *service,
                          const struct conf_section *section, struct problems *problems)
{
    const struct directive *verify = ROW(client_verify), *ca = ROW(client_ca);
    bool has_ca = store_find_line(section, ca) != NULL;
    bool asks = service->client_verify != CLIENT_VERIFY_NONE;
    const struct directive *crls = ROW(crls), *policy = ROW(crl_policy);
    bool has_crls = store_find_line(section, crls) != NULL;
    if (!asks && has_crls)
        problems_warn(problems, store_place(section, crls, 0), section->title, crls->key,
                      "has no effect: %s is none", verify->key);
    if (!has_crls && store_find_line(section, policy) != NULL)
        problems_warn(problems, store_place(section, policy, 0), section->title, policy->key,
                      "has no effect without a %s", crls->key);
    if (asks && !has_ca)
        problems_add(problems, store_place(section, verify, 0), section->title, verify->key,
                     "needs a %s: whose certificates are good?", ca->key);
    else if (!asks && has_ca)
        problems_warn(problems, store_place(section, ca, 0), section->title, ca->key,
                      "has no effect: %s is none", verify->key);
}

void check_tls(const struct model_service *service, const struct conf_section *section,
               struct problems *problems)
{
    const struct model_listen *listen = find_tls_listen(service);
    /* One that could not be read is a fault of its own. */
    bool has_line = store_find_line(section, ROW(certificates)) != NULL;
    for (size_t i = 0; i < service->n_listens; i++)
        if (service->listens[i].starttls != STARTTLS_NO && !service->listens[i].tls)
            problems_add(problems, &service->listens[i].origin, section->title,
                         ROW(listens)->key, "starttls needs the word tls beside it");
    if (listen == NULL) {
        warn_of_unused(section, problems);
        return;
    }
    if (!has_line)
        problems_add(problems, &listen->origin, section->title, ROW(listens)->key,
                     "tls needs a %s", ROW(certificates)->key);
    check_clients(service, section, problems);
    check_responder(service, section, problems);
}

#define GROUP_ROW(member) DIRECTIVE_OF(SECTION_GROUP, model_group, member)

void check_host_tls(const struct model_group *group, const struct conf_section *section,
                    struct problems *problems)
{
    const struct directive *tls = GROUP_ROW(tls), *ca = GROUP_ROW(tls_ca),
                           *shown = GROUP_ROW(tls_certificate);
    if (group->tls == HOST_TLS_VERIFY && store_find_line(section, ca) == NULL)
        problems_add(problems, store_place(section, tls, 0), section->title, tls->key,
                     "verify needs a %s: whose certificates are good?", ca->key);
    if (group->tls == HOST_TLS_NO && store_find_line(section, shown) != NULL)
        problems_warn(problems, store_place(section, shown, 0), section->title, shown->key,
                      "has no effect: %s is no", tls->key);
}

/* SPDX-License-Identifier: MIT */
/* gaidaros -t and -D: a configuration is read and judged, nothing is started. */
#include "master/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/bundle.h"
#include "conf/write.h"
#include "master/listeners.h"
#include "master/privileges.h"
#include "master/processors.h"

/* Rows as a first start would allot them, without a segment. */
static int number_rows(const struct model *model, struct bundle_rows *rows, uint32_t **all)
{
    size_t n = model->n_services + model->n_groups + model->n_hosts + model->n_listens;
    *all = calloc(n + 1, sizeof **all);
    if (*all == NULL)
        return -1;
    rows->n_services = model->n_services;
    rows->n_groups = model->n_groups;
    rows->n_hosts = model->n_hosts;
    rows->n_listeners = model->n_listens;
    rows->services = *all;
    rows->groups = rows->services + rows->n_services;
    rows->hosts = rows->groups + rows->n_groups;
    rows->listeners = rows->hosts + rows->n_hosts;
    for (uint32_t i = 0; i < rows->n_services; i++)
        rows->services[i] = i;
    for (uint32_t i = 0; i < rows->n_groups; i++)
        rows->groups[i] = i;
    for (uint32_t i = 0; i < rows->n_hosts; i++)
        rows->hosts[i] = i;
    for (uint32_t i = 0; i < rows->n_listeners; i++)
        rows->listeners[i] = i + 1;
    return 0;
}

/* What workers do with it before they agree. */
static void try_prepare(const struct model *model, master_prepare *prepare,
                        struct problems *problems)
{
    struct bundle_rows rows = {0};
    uint32_t *all = NULL;
    struct bundle_keys keys = BUNDLE_NO_KEYS;
    int fd = number_rows(model, &rows, &all) == 0 ? bundle_pack(model, &rows) : -1;
    if (fd < 0 || bundle_pack_all_keys(model, &keys) != 0)
        problems_add(problems, NULL, NULL, NULL, "cannot pack the configuration: %s",
                     strerror(errno));
    else if (!prepare(fd, &keys, problems) && problems->n_errors == 0)
        problems_add(problems, NULL, NULL, NULL, "a worker would refuse it");
    if (fd >= 0)
        close(fd);
    bundle_close_keys(&keys);
    free(all);
}

int trial_test(const struct conf_request *request, const char *name, master_prepare *prepare)
{
    struct problems problems = {0};
    struct model *model = conf_load(request, &problems);
    if (model != NULL) {
        (void)descriptors_resolve(model, false, &problems);
        listeners_check(model, &problems);
        try_prepare(model, prepare, &problems);
    }
    if (problems.warnings.length > 0)
        fputs(problems.warnings.at, stderr);
    if (problems.errors.length > 0)
        fputs(problems.errors.at, stderr);
    bool is_fine = model != NULL && problems.n_errors == 0;
    if (is_fine)
        printf("%s: ok\n", name);
    conf_free(model);
    problems_fini(&problems);
    return is_fine ? 0 : 3;
}

int trial_dump(const struct conf_request *request)
{
    struct problems problems = {0};
    struct text out = {0};
    struct model *model = conf_load(request, &problems);
    if (problems.warnings.length > 0)
        fputs(problems.warnings.at, stderr);
    if (problems.errors.length > 0)
        fputs(problems.errors.at, stderr);
    if (model != NULL)
        conf_write(&out, model);
    bool is_fine =
        model != NULL && !out.failed && fwrite(out.at, 1, out.length, stdout) == out.length;
    text_fini(&out);
    bool has_model = model != NULL;
    conf_free(model);
    problems_fini(&problems);
    if (!has_model)
        return 3;
    return is_fine && fflush(stdout) == 0 ? 0 : 1;
}

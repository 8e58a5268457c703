/* SPDX-License-Identifier: MIT */
/* The configuration as text: as the file said, as it is now, and what differs. */
#include "admin/configs.h"

#include <stdlib.h>

#include "base/diff.h"
#include "conf/build.h"
#include "conf/overlay.h"
#include "conf/write.h"

static enum host_setting setting_of(uint32_t admin)
{
    if (admin == ADMIN_DRAIN)
        return HOST_SET_DRAIN;
    return admin == ADMIN_DOWN ? HOST_SET_DOWN : HOST_SET_UP;
}

/* What the rows say of each host, of each service. False when memory is out. */
static bool read_rows(const struct status *status, struct overlay_host **hosts,
                      uint32_t **in_force)
{
    const struct model *model = status->model;
    *hosts = calloc(model->n_hosts + 1, sizeof **hosts);
    *in_force = calloc(model->n_services + 1, sizeof **in_force);
    if (*hosts == NULL || *in_force == NULL)
        return false;
    for (size_t i = 0; i < model->n_hosts; i++) {
        const struct host_row *row = &status->segment->hosts[status->rows->hosts[i]];
        (*hosts)[i] = (struct overlay_host){.state = setting_of(atomic_load(&row->admin)),
                                            .weight = atomic_load(&row->weight)};
    }
    for (size_t i = 0; i < model->n_services; i++)
        (*in_force)[i] = (uint32_t)status_enabled(status, i);
    return true;
}

void config_written(struct text *out, const struct status *status)
{
    conf_write(out, status->written);
}

void config_running(struct text *out, const struct status *status)
{
    struct overlay_host *hosts;
    uint32_t *in_force;
    struct problems problems = {0};
    struct model *model = NULL;
    if (read_rows(status, &hosts, &in_force))
        model = conf_overlay(status->model, hosts, in_force, &problems);
    if (model != NULL)
        conf_write(out, model);
    else
        out->failed = true;
    conf_free(model);
    problems_fini(&problems);
    free(hosts);
    free(in_force);
}

void config_diff(struct text *out, const struct status *status)
{
    struct text written = {0}, running = {0};
    config_written(&written, status);
    config_running(&running, status);
    if (written.at != NULL && running.at != NULL && !written.failed && !running.failed)
        diff_unified(out, "written", written.at, "running", running.at);
    else
        out->failed = true;
    text_fini(&written);
    text_fini(&running);
}

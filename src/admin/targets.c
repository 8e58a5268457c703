/* SPDX-License-Identifier: MIT */
/* Finds what a call's fields name. */
#include "admin/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_FOUND = 404 };

/* The i-th name of what may be meant. */
typedef const char *name_of(const struct status *status, const struct target *target, size_t i);

static const char *service_name(const struct status *status, const struct target *target,
                                size_t i)
{
    (void)target;
    return status->model->services[i].name;
}

static const char *group_name(const struct status *status, const struct target *target,
                              size_t i)
{
    return status->model->groups[status_group_at(status, target->service, i)].name;
}

static const char *host_name(const struct status *status, const struct target *target, size_t i)
{
    return status->model->groups[target->group].hosts[i].name;
}

/* The nearest of n names, or NULL; without memory nothing is near. */
static const char *nearest(const struct status *status, const struct target *target,
                           const char *wanted, name_of *name, size_t n)
{
    const char **names = calloc(n + 1, sizeof *names);
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        names[i] = name(status, target, i);
    const char *found = text_nearest(wanted, names, n);
    free(names);
    return found;
}

static bool refuse(struct answer *answer, const char *what, const char *wanted,
                   const char *found)
{
    if (found != NULL)
        answer_refusal(answer, NOT_FOUND, "there is no %s '%.64s'; did you mean '%s'?", what,
                       wanted, found);
    else
        answer_refusal(answer, NOT_FOUND, "there is no %s '%.64s'", what, wanted);
    return false;
}

static bool find_service(struct target *target, const struct status *status, const char *wanted,
                         struct answer *answer)
{
    const struct model *model = status->model;
    for (size_t i = 0; i < model->n_services; i++) {
        target->service = i;
        if (strcmp(model->services[i].name, wanted) == 0)
            return true;
    }
    return refuse(answer, "service", wanted,
                  nearest(status, target, wanted, service_name, model->n_services));
}

static bool find_group(struct target *target, const struct status *status, const char *wanted,
                       struct answer *answer)
{
    size_t n = status_count_groups(status, target->service);
    for (size_t i = 0; i < n; i++) {
        target->place = i;
        target->group = status_group_at(status, target->service, i);
        if (strcmp(group_name(status, target, i), wanted) == 0)
            return true;
    }
    char what[128];
    snprintf(what, sizeof what, "group of service '%.64s' called",
             service_name(status, target, target->service));
    return refuse(answer, what, wanted, nearest(status, target, wanted, group_name, n));
}

static bool find_host(const struct target *target, const struct status *status,
                      struct answer *answer)
{
    const struct model_group *group = &status->model->groups[target->group];
    for (size_t i = 0; i < group->n_hosts; i++)
        if (target_is_host(target, &group->hosts[i]))
            return true;
    char what[128];
    snprintf(what, sizeof what, "host of group '%.64s' called", group->name);
    return refuse(answer, what, target->host,
                  nearest(status, target, target->host, host_name, group->n_hosts));
}

bool target_find(struct target *target, const struct status *status,
                 const struct fields *fields, enum target_depth depth, struct answer *answer)
{
    *target = (struct target){0};
    if (!find_service(target, status, fields_find(fields, "service"), answer) ||
        !find_group(target, status, fields_find(fields, "group"), answer))
        return false;
    if (depth == TARGET_GROUP)
        return true;
    target->host = fields_find(fields, "name");
    return find_host(target, status, answer);
}

bool target_is_host(const struct target *target, const struct model_host *host)
{
    return strcmp(host->name, target->host) == 0 || strcmp(host->line_name, target->host) == 0;
}

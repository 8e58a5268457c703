/* SPDX-License-Identifier: MIT */
/* Changes that admins make to the structure of the running configuration. */
#include "master/edits.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/build.h"
#include "conf/editcode.h"
#include "master/context.h"

enum { BROKEN = 500 };

/* ---- which groups are in force ---- */

static const char *group_name(const struct model *model, const struct model_service *service,
                              size_t place)
{
    return model->groups[service->places[place]].name;
}

/* The group in force of a service, by the row; NULL: the current configuration has no such service. */
static const char *name_in_force(const struct master *master, const char *service)
{
    const struct edition *current = master->rollout.current;
    const struct model *model = current->model;
    for (size_t i = 0; i < model->n_services; i++) {
        if (strcmp(model->services[i].name, service) != 0)
            continue;
        uint32_t row = current->rows.services[i];
        size_t place = atomic_load(&master->segment.services[row].enabled);
        return group_name(model, &model->services[i],
                          place <= model->services[i].n_standby ? place : 0);
    }
    return NULL;
}

/* For each service of a model the place of its group in force. NULL when memory is out. */
static uint32_t *places_in_force(const struct master *master, const struct model *model)
{
    uint32_t *places = calloc(model->n_services + 1, sizeof *places);
    for (size_t i = 0; places != NULL && i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        const char *name = name_in_force(master, service->name);
        for (size_t place = 0; name != NULL && place <= service->n_standby; place++)
            if (strcmp(group_name(model, service, place), name) == 0)
                places[i] = (uint32_t)place;
    }
    return places;
}

/* ---- applying ---- */

/* The model with the request's edit; NULL with the verdict. */
static struct model *apply(const struct master *master, const struct model *model,
                           const struct request *request, struct edit_verdict *verdict)
{
    struct edit edit;
    uint32_t *in_force = places_in_force(master, model);
    struct model *edited = NULL;
    if (in_force != NULL && edit_decode(&edit, request->edit.at, request->edit.length))
        edited = conf_edit(model, &edit, &master->addresses, in_force, verdict);
    else
        verdict->status = BROKEN;
    free(in_force);
    return edited;
}

static void refuse(struct master *master, struct request *request,
                   const struct edit_verdict *verdict)
{
    const char *why = verdict->text.at != NULL ? verdict->text.at : "out of memory";
    requests_refuse_one(master, request, verdict->status, why);
    list_remove(&request->node);
    request_free(request);
}

struct model *edits_apply(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct model *model = rollout->current->model;
    LIST_FOREACH_SAFE(node, after, &rollout->asking) {
        struct request *request = container_of(node, struct request, node);
        if (request->asker != ASKER_EDIT)
            continue;
        struct edit_verdict verdict = {0};
        struct model *edited = apply(master, model, request, &verdict);
        if (edited == NULL) {
            refuse(master, request, &verdict);
        } else {
            text_clear(&request->said);
            text_add(&request->said, verdict.text.at != NULL ? verdict.text.at : "");
            if (model != rollout->current->model)
                conf_free(model);
            model = edited;
        }
        edit_verdict_fini(&verdict);
    }
    return model != rollout->current->model ? model : NULL;
}

/* ---- what was edited since the file was read ---- */

static void remember(struct text *edits, const struct text *edit)
{
    const uint32_t length = (uint32_t)edit->length;
    text_append(edits, &length, sizeof length);
    text_append(edits, edit->at, edit->length);
}

/* Steps through what remember has kept. False at the end. */
static bool next_edit(const struct text *edits, size_t *at, struct edit *out)
{
    uint32_t length;
    if (edits->failed || edits->length - *at < sizeof length)
        return false;
    memcpy(&length, edits->at + *at, sizeof length);
    const char *bytes = edits->at + *at + sizeof length;
    *at += sizeof length + length;
    return edit_decode(out, bytes, length);
}

void edits_inherit(const struct master *master, struct edition *edition)
{
    const struct rollout *rollout = &master->rollout;
    struct edition *current = rollout->current;
    if (current == NULL || rollout->kind == ROLLOUT_OF_FILE)
        return;
    text_clear(&edition->edits);
    if (current->edits.length > 0)
        text_append(&edition->edits, current->edits.at, current->edits.length);
    edition->written = current->written;
    if (rollout->kind != ROLLOUT_OF_EDITS)
        return;
    if (edition->written == NULL)
        edition->written = current;
    LIST_FOREACH(node, &rollout->asking) {
        const struct request *request = container_of(node, struct request, node);
        if (request->asker == ASKER_EDIT)
            remember(&edition->edits, &request->edit);
    }
}

void edits_print_dropped(struct text *out, const struct edition *before,
                         const struct model *model)
{
    struct edit edit;
    for (size_t at = 0; next_edit(&before->edits, &at, &edit);) {
        if (edit_is_in(model, &edit))
            continue;
        text_add(out, "\ndropped, for the file does not have it: ");
        edit_print(out, &edit);
    }
}

void edits_log(const struct master *master)
{
    LIST_FOREACH(node, &master->rollout.asking) {
        const struct request *request = container_of(node, struct request, node);
        struct text line = {0};
        struct edit edit;
        if (request->asker != ASKER_EDIT ||
            !edit_decode(&edit, request->edit.at, request->edit.length))
            continue;
        edit_print(&line, &edit);
        log_info("%s: %s, by %s", line.at != NULL ? line.at : "",
                 request->said.at != NULL ? request->said.at : "",
                 edit.by != NULL ? edit.by : "?");
        text_fini(&line);
    }
}

bool edits_try_each(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    size_t n = 0;
    LIST_FOREACH(node, &rollout->asking)
        n += container_of(node, struct request, node)->asker == ASKER_EDIT;
    if (n < 2)
        return false;
    /* To the head of those that wait, in their order. */
    struct list_node *before = rollout->waiting.next;
    LIST_FOREACH_SAFE(node, after, &rollout->asking) {
        struct request *request = container_of(node, struct request, node);
        request->is_alone = true;
        list_remove(node);
        list_append(before, node);
    }
    return true;
}

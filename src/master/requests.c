/* SPDX-License-Identifier: MIT */
/* Who asked for a reload, and what they are told. */
#include "master/requests.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "master/context.h"

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    text_fini(&request->edit);
    text_fini(&request->said);
    free(request);
}

/* flag: as RESULT has it */
static void answer(struct master *master, const struct request *request, uint32_t flag,
                   const char *text)
{
    struct child *director = &master->children.places[CHILD_DIRECTOR];
    bool is_directors = request->asker == ASKER_DIRECTOR || request->asker == ASKER_EDIT ||
                        request->asker == ASKER_SAVE;
    if (!is_directors || director->pid != request->pid)
        return;
    const struct rollout *rollout = &master->rollout;
    const struct message message = {
        .kind = MSG_RESULT,
        .flag = flag,
        .number = request->number,
        .generation = rollout->current != NULL ? rollout->current->generation : 0,
    };
    size_t length = strnlen(text, CHANNEL_MOST_BYTES - sizeof message);
    child_send(director, &message, text, length, NULL, 0);
}

void requests_answer_one(struct master *master, const struct request *request, bool is_ok,
                         const char *text)
{
    answer(master, request, is_ok, is_ok && request->said.at != NULL ? request->said.at : text);
}

void requests_refuse_one(struct master *master, const struct request *request,
                         unsigned int status, const char *text)
{
    answer(master, request, status, text);
}

void requests_tell_last(struct master *master)
{
    const struct last_reload *last = &master->rollout.last_reload;
    const struct message message = {
        .kind = MSG_RELOADED, .flag = last->is_ok, .number = (uint64_t)last->wall_ns};
    const char *text = last->text != NULL ? last->text : "";
    if (last->wall_ns != 0)
        child_send(&master->children.places[CHILD_DIRECTOR], &message, text,
                   strnlen(text, CHANNEL_MOST_BYTES - sizeof message), NULL, 0);
}

void requests_remember(struct master *master, bool is_ok, const char *text)
{
    struct last_reload *last = &master->rollout.last_reload;
    free(last->text);
    *last =
        (struct last_reload){.wall_ns = clock_wall_ns(), .is_ok = is_ok, .text = strdup(text)};
    requests_tell_last(master);
}

void requests_answer(struct master *master, struct list_node *requests, bool is_ok,
                     const char *text)
{
    LIST_FOREACH_SAFE(node, after, requests) {
        struct request *request = container_of(node, struct request, node);
        requests_answer_one(master, request, is_ok, text);
        list_remove(node);
        request_free(request);
    }
}

/* SPDX-License-Identifier: MIT */
/* Who waits for a rollout, and whose turn is next. */
#include "master/turns.h"

#include <stdlib.h>

#include "base/log.h"
#include "master/context.h"
#include "master/saving.h"

static void enqueue(struct master *master, struct request *request)
{
    struct rollout *rollout = &master->rollout;
    bool is_of_current = request->asker == ASKER_EDIT || request->asker == ASKER_SAVE;
    bool is_too_early = is_of_current && rollout->current == NULL;
    if (master->phase >= MASTER_DRAINING || is_too_early) {
        requests_answer_one(master, request, false,
                            is_too_early ? "the daemon is starting" : "the daemon is ending");
        request_free(request);
        return;
    }
    list_append(&rollout->waiting, &request->node);
    if (rollout->stage == ROLLOUT_IDLE)
        rollout_begin(master);
}

void turns_request(struct master *master, enum asker asker, uint64_t number, pid_t pid)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        log_error("out of memory: a reload is not done");
        return;
    }
    *request = (struct request){.asker = asker, .number = number, .pid = pid};
    enqueue(master, request);
}

void turns_request_edit(struct master *master, uint64_t number, pid_t pid, const void *edit,
                        size_t length)
{
    struct request *request = calloc(1, sizeof *request);
    if (request != NULL) {
        *request = (struct request){.asker = ASKER_EDIT, .number = number, .pid = pid};
        text_append(&request->edit, edit, length);
    }
    if (request == NULL || request->edit.failed) {
        log_error("out of memory: a change is not made");
        request_free(request);
        return;
    }
    enqueue(master, request);
}

void turns_take(struct rollout *rollout)
{
    rollout->kind = rollout->current != NULL ? ROLLOUT_OF_NAMES : ROLLOUT_OF_FILE;
    LIST_FOREACH_SAFE(node, after, &rollout->waiting) {
        const struct request *request = container_of(node, struct request, node);
        enum rollout_kind kind =
            request->asker == ASKER_EDIT ? ROLLOUT_OF_EDITS : ROLLOUT_OF_FILE;
        if (request->asker == ASKER_SAVE ||
            (request->asker != ASKER_NAMES && rollout->kind != ROLLOUT_OF_NAMES &&
             (rollout->kind != kind || request->is_alone)))
            break;
        if (request->asker != ASKER_NAMES)
            rollout->kind = kind;
        list_remove(node);
        list_append(&rollout->asking, node);
        if (request->is_alone)
            break;
    }
}

/*
 * Saves, if that is what is asked for next. What was written is then read as by a reload: from there on the
 * configuration is that of the file in every respect.
 */
void turns_save(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    while (!list_is_empty(&rollout->waiting)) {
        struct request *request = container_of(rollout->waiting.next, struct request, node);
        if (request->asker != ASKER_SAVE)
            return;
        unsigned int status = save_configuration(master, &request->said);
        const char *said = request->said.at != NULL ? request->said.at : "out of memory";
        (status == 0 ? log_info : log_warning)("saveConfig: %s", said);
        if (status == 0) {
            request->asker = ASKER_DIRECTOR;
            return;
        }
        requests_refuse_one(master, request, status, said);
        list_remove(&request->node);
        request_free(request);
    }
}

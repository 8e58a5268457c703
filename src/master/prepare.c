/* SPDX-License-Identifier: MIT */
/* The first half of a rollout: what master has to give for it, and the question to everybody. */
#include "master/prepare.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "master/context.h"
#include "master/departure.h"
#include "master/greeting.h"
#include "master/privileges.h"
#include "master/processors.h"

enum { PATIENCE_AT_START_MS = 1500 };

/*
 * Which slots the workers of the next configuration sit in: of those there are the lowest, then the
 * lowest free ones. So slot 0 stays for ever, and its sockets stay first in their groups.
 */
static void choose_slots(struct master *master, size_t wanted)
{
    struct rollout *rollout = &master->rollout;
    bool is_chosen[SEGMENT_SLOTS] = {false};
    size_t n = 0;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS && n < wanted; slot++) {
        const struct child *child = &master->children.places[slot];
        if (child->state != CHILD_ABSENT && !child->is_leaving)
            n += is_chosen[slot] = true;
    }
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS && n < wanted; slot++) {
        const struct child *child = &master->children.places[slot];
        if (child->state == CHILD_ABSENT && !master->listeners.is_going[slot] &&
            !listeners_has_slot(&master->listeners, slot))
            n += is_chosen[slot] = true;
    }
    rollout->n_slots = 0;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (is_chosen[slot])
            rollout->slots[rollout->n_slots++] = slot;
}

enum { EXIT_MACHINE = 1, EXIT_CONFIGURATION = 3 };

static int take_rows(struct master *master, struct edition *edition, struct problems *problems)
{
    const char *why = NULL;
    if (rows_take(master->rows, edition->model, &edition->rows, &why) == 0)
        return 0;
    problems_add(problems, NULL, NULL, NULL, "%s", why);
    return EXIT_MACHINE;
}

static int pack(struct edition *edition, struct problems *problems)
{
    if (bundle_has_keys(edition->model, KEY_OF_WORKERS | KEY_OF_DIRECTOR))
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file has them, no debugger */
    edition->bundle_fd = bundle_pack(edition->model, &edition->rows);
    if (edition->bundle_fd >= 0 && bundle_pack_all_keys(edition->model, &edition->keys) == 0)
        return 0;
    problems_add(problems, NULL, NULL, NULL, "cannot pack the configuration: %s",
                 strerror(errno));
    return EXIT_MACHINE;
}

/* What the keys of [global] ask for: descriptors, log files. */
static void take_global(struct master *master, struct edition *edition,
                        struct problems *problems)
{
    struct rollout *rollout = &master->rollout;
    edition->max_connections = descriptors_resolve(edition->model, true, problems);
    if (edition->max_connections > 0)
        rollout->has_sinks =
            sinks_open(&rollout->sinks, edition->model, master->is_daemon, problems) == 0;
}

static void open_sockets(struct master *master, struct edition *edition,
                         struct problems *problems)
{
    struct rollout *rollout = &master->rollout;
    const struct model *model = edition->model;
    int64_t patience_ms = rollout->current == NULL ? PATIENCE_AT_START_MS : 0;
    choose_slots(master, processors_for(model->global.workers));
    listeners_prepare(&master->listeners, model, rollout->slots, rollout->n_slots,
                      edition->rows.listeners, patience_ms, problems);
    doors_prepare(&master->doors, model, patience_ms, problems);
}

/* Takes what master itself has to give: rows, descriptors, logs, sockets, the bundle. */
int prepare_gather(struct master *master, struct edition *edition, struct problems *problems)
{
    if (take_rows(master, edition, problems) != 0)
        return EXIT_MACHINE;
    take_global(master, edition, problems);
    int status = problems->n_errors > 0 ? EXIT_CONFIGURATION : EXIT_MACHINE;
    open_sockets(master, edition, problems);
    if (problems->n_errors > 0)
        return status;
    return pack(edition, problems);
}

/* Lends what is new, then PREPARE; who still begins with the current one hears of it later. */
static void ask_running(struct master *master, struct child *child)
{
    struct rollout *rollout = &master->rollout;
    struct listener_batch batch = {0};
    if (child_is_worker(child)) {
        if (listeners_collect_fresh(&master->listeners, child->place, &batch) != 0)
            log_error("out of memory: a worker gets no new sockets");
        greeting_lend(child, MSG_SOCKETS, 0, &batch);
        listener_batch_fini(&batch);
    }
    if (child->asked == child->committed)
        greeting_prepare(child, rollout->next);
}

void prepare_ask(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    departure_revive_wanted(master);
    for (uint32_t place = CHILD_DIRECTOR + 1; place-- > 0;) {
        struct child *child = &master->children.places[place];
        if (!rollout_has(rollout, place))
            continue;
        if (child_is_running(child)) {
            ask_running(master, child);
        } else if (child->state == CHILD_ABSENT) {
            child->is_newcomer = true;
            child_start(child);
        }
    }
}

int prepare_renewed(struct master *master, struct edition *edition,
                    const struct edition *before, struct problems *problems)
{
    if (take_rows(master, edition, problems) != 0)
        return -1;
    edition->max_connections = before->max_connections;
    memcpy(edition->rows.listeners, before->rows.listeners,
           before->rows.n_listeners * sizeof *before->rows.listeners);
    return pack(edition, problems);
}

void prepare_ask_again(struct master *master, struct edition *before)
{
    const struct message message = {
        .kind = MSG_ABORT, .flag = 1, .generation = before->generation};
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        if (!child_is_running(child) || child->asked != before->generation)
            continue;
        child_send(child, &message, NULL, 0, NULL, 0);
        before->is_held[place] = false;
        greeting_prepare(child, master->rollout.next);
    }
}

/* SPDX-License-Identifier: MIT */
/* Brings one configuration to all processes: prepared by all, then committed, or given up. */
#include "master/rollout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/renew.h"
#include "conf/write.h"
#include "master/adoption.h"
#include "master/context.h"
#include "master/daemon.h"
#include "master/departure.h"
#include "master/edits.h"
#include "master/filewatch.h"
#include "master/greeting.h"
#include "master/naming.h"
#include "master/prepare.h"
#include "master/stop.h"
#include "master/turns.h"

/*
 * A child has at most one PREPARE it has not answered by COMMITTED (child->asked differs from
 * child->committed): one that still begins with the current configuration hears of the next only
 * afterwards. Who dies meanwhile is no longer waited for, its successor begins with the next; only
 * before the very first commit everybody is needed.
 */

enum { LIMIT_LEAST_MS = 5000 };

bool rollout_has(const struct rollout *rollout, uint32_t place)
{
    if (place == CHILD_DIRECTOR)
        return true;
    for (size_t i = 0; i < rollout->n_slots; i++)
        if (rollout->slots[i] == place)
            return true;
    return false;
}

static void log_lines(void (*say)(const char *, ...), const char *text)
{
    while (text != NULL && *text != '\0') {
        int length = (int)strcspn(text, "\n");
        say("%.*s", length, text);
        text += length + (text[length] == '\n');
    }
}

/* The rollout is over, one way or the other; the next one if somebody has asked meanwhile. */
static void end_rollout(struct master *master, bool is_ok, const char *text)
{
    struct rollout *rollout = &master->rollout;
    ev_timer_stop(master->loop, &rollout->limit);
    rollout->stage = ROLLOUT_IDLE;
    rollout->next = NULL;
    requests_answer(master, &rollout->asking, is_ok, text);
    /* A director that is to be renewed has its whole time for this answer, too. */
    if (ev_is_active(&master->renew))
        ev_timer_again(master->loop, &master->renew);
    editions_release(master);
    bool are_names_refused = !is_ok && rollout->kind == ROLLOUT_OF_NAMES;
    if (rollout->current != NULL)
        notify_send(&master->notify, "READY=1\nMAINPID=%d\nSTATUS=%s generation %" PRIu64,
                    (int)getpid(),
                    is_ok || rollout->kind != ROLLOUT_OF_FILE
                        ? "serving"
                        : "a reload failed; still serving",
                    rollout->current->generation);
    if (!list_is_empty(&rollout->waiting) && master->phase < MASTER_DRAINING)
        rollout_begin(master);
    else if (rollout->current != NULL && !are_names_refused &&
             naming_is_stale(master, rollout->current->model))
        turns_request(master, ASKER_NAMES, 0, 0);
}

/* ---- giving up ---- */

/*
 * Takes back the sockets lent for it: from whoever has refused it, too, and from who has not been
 * asked yet. One that a worker kept would keep it from ever having nothing left to accept on.
 */
static void take_back(struct master *master, struct child *child, struct listener_batch *batch)
{
    batch->n = 0;
    if (listeners_collect_fresh(&master->listeners, child->place, batch) == 0)
        greeting_drop(child, batch);
    else
        log_error("out of memory: a worker keeps sockets of a configuration given up");
}

/* Tells who was asked, and undoes what was begun. */
static void call_off(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct listener_batch batch = {0};
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        if (!child_is_running(child) || rollout->next == NULL)
            continue;
        if (child_is_worker(child))
            take_back(master, child, &batch);
        if (child->asked != rollout->next->generation)
            continue;
        child_tell(child, MSG_ABORT, child->asked, 0);
        rollout->next->is_held[place] = false;
        child->asked = child->committed;
    }
    listener_batch_fini(&batch);
    listeners_abort(&master->listeners);
    doors_abort(&master->doors);
    sinks_close(&rollout->sinks);
    rollout->has_sinks = false;
}

/* Processes the given-up configuration alone needed go; others begin with the current one. */
static void settle_newcomers(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    for (uint32_t place = 0; place < CHILD_PLACES && rollout->current != NULL; place++) {
        struct child *child = &master->children.places[place];
        if (child->is_newcomer)
            child_remove(child, SIGKILL);
        else if (child_is_running(child) && child->asked == 0 && !child->is_leaving)
            greeting_prepare(child, rollout->current);
        child->is_newcomer = false;
    }
}

static void log_failure(const struct rollout *rollout, const char *why)
{
    static const char *const words[] = {[ROLLOUT_OF_FILE] = "reload failed",
                                        [ROLLOUT_OF_NAMES] = "what has changed is not used",
                                        [ROLLOUT_OF_EDITS] = "a change is not made"};
    log_lines(log_error, why);
    log_error("%s: generation %" PRIu64 " serves on", words[rollout->kind],
              rollout->current->generation);
}

static void give_up(struct master *master, const char *why, int exit_status)
{
    struct rollout *rollout = &master->rollout;
    bool is_start = rollout->current == NULL;
    call_off(master);
    rollout->next = NULL;
    settle_newcomers(master);
    if (is_start) {
        stop_failed_start(master, why, exit_status);
    } else {
        departure_resume(master);
        if (rollout->kind != ROLLOUT_OF_EDITS || !edits_try_each(master))
            log_failure(rollout, why);
        /* Whatever else was new is not to wait for a file that cannot be used. */
        if (rollout->kind == ROLLOUT_OF_NAMES && rollout->has_read)
            turns_request(master, ASKER_NAMES, 0, 0);
        if (rollout->kind == ROLLOUT_OF_FILE) {
            filewatch_note_tried(master);
            atomic_fetch_add(&master->segment.daemon->reloads_failed, 1);
            requests_remember(master, false, why);
        }
    }
    end_rollout(master, false, why);
}

static void give_up_problems(struct master *master, struct problems *problems, int exit_status)
{
    give_up(master, problems->errors.at != NULL ? problems->errors.at : "out of memory\n",
            exit_status);
    problems_fini(problems);
}

void rollout_cancel(struct master *master, const char *why)
{
    struct rollout *rollout = &master->rollout;
    ev_timer_stop(master->loop, &rollout->limit);
    if (rollout->stage == ROLLOUT_PREPARING) {
        call_off(master);
        rollout->next = NULL;
    }
    rollout->stage = ROLLOUT_IDLE;
    requests_answer(master, &rollout->asking, false, why);
    requests_answer(master, &rollout->waiting, false, why);
    editions_release(master);
}

static void set_limit(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    int64_t limit_ms = rollout->next->model->global.stuck_timeout_ms;
    if (limit_ms < LIMIT_LEAST_MS)
        limit_ms = LIMIT_LEAST_MS;
    ev_timer_stop(master->loop, &rollout->limit);
    ev_timer_set(&rollout->limit, (double)limit_ms / 1000, (double)limit_ms / 1000);
    ev_timer_start(master->loop, &rollout->limit);
}

static struct model *build(struct master *master, struct problems *problems)
{
    struct model *model;
    /* The one of the start was read to know whether to become a daemon. */
    if (master->rollout.last_generation == 0)
        return master->boot;
    if (master->rollout.kind == ROLLOUT_OF_NAMES) {
        model = conf_renew(master->rollout.current->model, &master->addresses, problems);
        master->rollout.has_read = filewatch_forget(master);
        return model;
    }
    if (master->rollout.kind == ROLLOUT_OF_EDITS)
        return edits_apply(master);
    return conf_load(&master->request, problems);
}

static struct model *load(struct master *master, struct problems *problems)
{
    struct model *model = build(master, problems);
    if (model != NULL)
        cache_fill(master, model);
    return model;
}

/* Lines go where the next configuration says. */
static void switch_logs(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct sinks before = master->sinks;
    log_set_level((enum log_level)rollout->next->model->global.log_level);
    if (!rollout->has_sinks)
        return;
    master->sinks = rollout->sinks;
    rollout->sinks = (struct sinks){0};
    rollout->has_sinks = false;
    sinks_use(&master->sinks);
    greeting_send_logs(master);
    sinks_close(&before);
}

bool rollout_reopen_logs(struct master *master, struct problems *problems)
{
    struct rollout *rollout = &master->rollout;
    /* Before the first commit lines go already where the configuration of the start says. */
    const struct edition *used = rollout->current != NULL ? rollout->current : rollout->next;
    bool is_fine = !rollout->has_sinks || sinks_reopen(&rollout->sinks, rollout->next->model,
                                                       master->is_daemon, problems) == 0;
    if (used == NULL)
        return is_fine;
    if (sinks_reopen(&master->sinks, used->model, master->is_daemon, problems) != 0)
        return false;
    sinks_use(&master->sinks);
    greeting_send_logs(master);
    return is_fine;
}

void rollout_begin(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct problems problems = {0};
    turns_save(master);
    if (list_is_empty(&rollout->waiting))
        return;
    turns_take(rollout);
    rollout->stage = ROLLOUT_PREPARING;
    if (rollout->current != NULL && rollout->kind == ROLLOUT_OF_FILE)
        notify_reloading(&master->notify);
    struct model *model = load(master, &problems);
    if (model == NULL && rollout->kind == ROLLOUT_OF_EDITS) { /* each was answered why */
        end_rollout(master, true, "");
        return;
    }
    if (model == NULL) {
        give_up_problems(master, &problems, 3);
        return;
    }
    log_lines(log_warning, problems.warnings.at);
    struct edition *edition = editions_add(rollout, model);
    if (edition != NULL)
        edits_inherit(master, edition);
    int status = edition != NULL ? prepare_gather(master, edition, &problems) : 1;
    if (status != 0) {
        if (edition == NULL && model != master->boot)
            conf_free(model);
        give_up_problems(master, &problems, status);
        return;
    }
    problems_fini(&problems);
    if (rollout->current == NULL) /* lines of processes that start have to go somewhere */
        switch_logs(master);
    set_limit(master);
    prepare_ask(master);
    rollout_advance(master);
}

/* The same with other addresses in its place; when that cannot be had, the one under way goes on. */
static void begin_again(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct edition *before = rollout->next;
    struct problems problems = {0};
    struct model *model = conf_renew(before->model, &master->addresses, &problems);
    if (model != NULL)
        cache_fill(master, model);
    struct edition *edition = model != NULL ? editions_add(rollout, model) : NULL;
    if (edition == NULL)
        conf_free(model);
    else
        edits_inherit(master, edition);
    if (edition != NULL && prepare_renewed(master, edition, before, &problems) == 0) {
        prepare_ask_again(master, before);
        set_limit(master);
    } else {
        rollout->next = before;
        log_lines(log_error, problems.errors.at);
        log_error("new addresses are not used yet");
    }
    editions_release(master);
    problems_fini(&problems);
}

void rollout_renew(struct master *master)
{
    const struct rollout *rollout = &master->rollout;
    if (master->phase >= MASTER_DRAINING)
        return;
    if (rollout->stage == ROLLOUT_PREPARING && naming_is_stale(master, rollout->next->model))
        begin_again(master);
    else if (rollout->stage == ROLLOUT_IDLE && rollout->current != NULL &&
             naming_is_stale(master, rollout->current->model))
        turns_request(master, ASKER_NAMES, 0, 0);
    /* While one is being committed: end_rollout looks. */
}

/* ---- committing ---- */

/* The first configuration is committed everywhere: the service answers. */
static void note_serving(struct master *master)
{
    master->phase = MASTER_SERVING;
    atomic_store(&master->segment.daemon->state, DAEMON_SERVING);
    if (master->ready_fd >= 0)
        daemon_ready(master->ready_fd);
    master->ready_fd = -1;
}

static void finish(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    bool is_start = rollout->current == NULL;
    struct text said = {0}, keys = {0};
    struct edition *before = rollout->current;
    rollout->current = rollout->next;
    atomic_store(&master->segment.daemon->generation, rollout->current->generation);
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        master->children.places[place].is_newcomer = false;
    text_printf(&said, "generation %" PRIu64 " serves", rollout->current->generation);
    conf_write_restarts(&keys, master->boot, rollout->current->model);
    if (keys.length > 0)
        text_printf(&said, "; needs a restart: %s", keys.at);
    log_info("%s: %zu workers, %zu listening addresses", said.at != NULL ? said.at : "",
             rollout->n_slots, rollout->current->model->n_listens);
    if (!is_start && rollout->kind == ROLLOUT_OF_FILE) {
        size_t length = said.length;
        edits_print_dropped(&said, before, rollout->current->model);
        if (said.length > length)
            log_lines(log_warning, said.at + length + 1);
    }
    edits_log(master);
    const char *text = said.at != NULL ? said.at : "";
    if (is_start) {
        note_serving(master);
    } else if (rollout->kind == ROLLOUT_OF_FILE) {
        atomic_fetch_add(&master->segment.daemon->reloads_ok, 1);
        requests_remember(master, true, text);
    }
    naming_forget_unwanted(master);
    cache_forget_unwanted(master);
    adoption_renew_all(master);
    departure_begin(master);
    end_rollout(master, true, text);
    if (rollout->are_doors_changed && !is_start)
        ev_timer_again(master->loop, &master->renew);
    rollout->are_doors_changed = false;
    text_fini(&said);
    text_fini(&keys);
}

static void commit(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    struct edition *next = rollout->next;
    const struct model_global *global = &next->model->global;
    struct problems problems = {0};
    if (listeners_commit(&master->listeners, &problems) != 0) {
        give_up_problems(master, &problems, 1);
        return;
    }
    rollout->stage = ROLLOUT_COMMITTING;
    rollout->are_doors_changed |= doors_commit(&master->doors);
    rows_commit(master->rows, next->model, &next->rows);
    rows_keep_enabled(master->rows, rollout->current != NULL ? rollout->current->model : NULL,
                      next->model, &next->rows, rollout->kind == ROLLOUT_OF_EDITS);
    supervisor_set_limits(master->supervisor, global->adopt_timeout_ms,
                          global->stuck_timeout_ms);
    switch_logs(master);
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        if (child_is_running(child) && child->prepared == next->generation)
            child_tell(child, MSG_COMMIT, next->generation, next->max_connections);
    }
    set_limit(master);
}

/* True when the process need not be waited for. */
static bool is_done(const struct rollout *rollout, const struct child *child)
{
    uint64_t generation = rollout->next->generation;
    if (!child_is_running(child))
        return rollout->current != NULL;
    return rollout->stage == ROLLOUT_PREPARING ? child->prepared == generation
                                               : child->committed == generation;
}

static bool is_everybody_done(const struct master *master)
{
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        if (rollout_has(&master->rollout, place) &&
            !is_done(&master->rollout, &master->children.places[place]))
            return false;
    return true;
}

void rollout_advance(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    if (master->phase >= MASTER_DRAINING)
        return;
    if (rollout->stage == ROLLOUT_PREPARING && rollout->next != NULL &&
        is_everybody_done(master))
        commit(master);
    if (rollout->stage == ROLLOUT_COMMITTING && is_everybody_done(master))
        finish(master);
}

/* Somebody neither agreed nor refused in time: it is replaced, and begins with the next one. */
static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct master *master = timer->data;
    char name[CHILD_NAME_BYTES];
    (void)loop;
    (void)revents;
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        if (!rollout_has(&master->rollout, place) || child->state != CHILD_UP ||
            is_done(&master->rollout, child))
            continue;
        log_warning("%s [%d] does not answer to generation %" PRIu64 ": it is replaced",
                    child_name(name, child), (int)child->pid, master->rollout.next->generation);
        child_put_down(child);
    }
}

/* ---- what children say ---- */

static void take_ready(struct master *master, struct child *child, uint64_t generation)
{
    struct rollout *rollout = &master->rollout;
    child->prepared = generation;
    bool is_current = rollout->current != NULL && rollout->current->generation == generation;
    bool is_late =
        rollout->stage == ROLLOUT_COMMITTING && rollout->next->generation == generation;
    const struct edition *edition = is_current ? rollout->current : rollout->next;
    if (is_current || is_late)
        child_tell(child, MSG_COMMIT, generation, edition->max_connections);
    else
        rollout_advance(master);
}

static void take_committed(struct master *master, struct child *child, uint64_t generation)
{
    struct rollout *rollout = &master->rollout;
    child->committed = generation;
    if (child->state == CHILD_STARTING) {
        child_is_up(child);
        supervisor_watch(master->supervisor, child->place, child->pid);
        adoption_review(master);
    }
    /* It began with the current one while the next was already under way. */
    if (rollout->stage != ROLLOUT_IDLE && rollout_has(rollout, child->place) &&
        child->asked == generation && generation != rollout->next->generation)
        greeting_prepare(child, rollout->next);
    rollout_advance(master);
}

static void take_refused(struct master *master, struct child *child,
                         const struct received *message)
{
    struct rollout *rollout = &master->rollout;
    char name[CHILD_NAME_BYTES];
    struct text why = {0};
    text_append(&why, message->payload, message->length);
    const char *said = why.at != NULL ? why.at : "";
    if (rollout->stage == ROLLOUT_PREPARING && rollout->next != NULL &&
        rollout->next->generation == message->head.generation) {
        child->asked = child->committed;
        rollout->next->is_held[child->place] = false;
        give_up(master, said, 3);
    } else if (child->asked == message->head.generation) {
        log_error("%s [%d] refuses generation %" PRIu64 ", which others accepted: %s",
                  child_name(name, child), (int)child->pid, message->head.generation, said);
        child_put_down(child);
    }
    text_fini(&why);
}

void rollout_note_failure(struct master *master, const struct child *child)
{
    const struct rollout *rollout = &master->rollout;
    char name[CHILD_NAME_BYTES];
    struct text why = {0};
    if (rollout->current != NULL || rollout->stage == ROLLOUT_IDLE)
        return;
    text_printf(&why, "gaidaros: %s cannot start: %s", child_name(name, child), child->why);
    give_up(master, why.at != NULL ? why.at : "out of memory", 1);
    text_fini(&why);
}

void rollout_take(struct master *master, struct child *child, const struct received *message)
{
    const struct message *head = &message->head;
    if (head->kind == MSG_RETIRED) {
        struct edition *edition = editions_find(&master->rollout, head->generation);
        if (edition != NULL)
            edition->is_held[child->place] = false;
        editions_release(master);
        return;
    }
    if (master->phase >= MASTER_DRAINING)
        return;
    if (head->kind == MSG_REFUSED)
        take_refused(master, child, message);
    else if (child->asked != head->generation)
        return; /* it was told to abort that one meanwhile */
    else if (head->kind == MSG_READY)
        take_ready(master, child, head->generation);
    else
        take_committed(master, child, head->generation);
}

void rollout_init(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    list_init(&rollout->editions);
    list_init(&rollout->asking);
    list_init(&rollout->waiting);
    ev_timer_init(&rollout->limit, on_limit, 0., 0.);
    rollout->limit.data = master;
}

void rollout_fini(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    rollout_cancel(master, "the daemon is ending");
    sinks_close(&rollout->sinks);
    free(rollout->last_reload.text);
    rollout->current = rollout->next = NULL;
    LIST_FOREACH(node, &rollout->editions) {
        struct edition *edition = container_of(node, struct edition, node);
        memset(edition->is_held, 0, sizeof edition->is_held);
    }
    editions_release(master);
}

/* SPDX-License-Identifier: MIT */
/* How the daemon ends. */
#include "master/stop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/context.h"
#include "master/departure.h"
#include "master/rollout.h"

/*
 * Workers first: no new connections, time for the open ones, then STOP, then SIGKILL. The director
 * lasts until the last worker is gone, since it writes out what they had to say; master is last.
 */

enum {
    GRACE_MS = 500, /* from STOP to SIGKILL */
    WORKERS_OWN_LIMIT_MS =
        1000, /* they end by themselves at drain_timeout; later than that we help */
    DIRECTOR_GRACE_MS = 2000 /* to write out the logs */
};

static void set_limit(struct master *master, int64_t ms)
{
    ev_timer_stop(master->loop, &master->drain_limit);
    ev_timer_set(&master->drain_limit, (double)ms / 1000, 0.);
    ev_timer_start(master->loop, &master->drain_limit);
}

static void tell_workers(struct master *master, enum message_kind kind, uint64_t number)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        child_tell(&master->children.places[slot], kind, 0, number);
}

static void kill_all(struct master *master)
{
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        child_remove(&master->children.places[place], SIGKILL);
}

/* Processes that serve nothing yet, or wait to be started, need no draining. */
static void end_idle(struct master *master)
{
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        if (child->state == CHILD_WAITING)
            child_remove(child, SIGKILL);
        else if (child->state == CHILD_STARTING && child_is_worker(child))
            child_tell(child, MSG_STOP, 0, 0);
    }
}

/* Every process is told to end; who has not in GRACE_MS is killed. */
static void end_at_once(struct master *master)
{
    bool is_again = master->phase == MASTER_ENDING;
    master->phase = MASTER_ENDING;
    master->children.is_stopping = true;
    rollout_cancel(master, "the daemon is ending");
    if (is_again) {
        kill_all(master);
        return;
    }
    end_idle(master);
    tell_workers(master, MSG_STOP, 0);
    set_limit(master, GRACE_MS);
    stop_advance(master);
}

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct master *master = timer->data;
    (void)loop;
    (void)revents;
    if (master->phase == MASTER_DRAINING && children_running(&master->children, false) > 0)
        end_at_once(master);
    else
        kill_all(master);
}

void stop_init(struct master *master)
{
    ev_timer_init(&master->drain_limit, on_limit, 0., 0.);
    master->drain_limit.data = master;
}

static void begin_draining(struct master *master)
{
    master->phase = MASTER_DRAINING;
    master->children.is_stopping = true;
    atomic_store(&master->segment.daemon->state, DAEMON_DRAINING);
    notify_send(&master->notify, "STOPPING=1\nSTATUS=draining");
    rollout_cancel(master, "the daemon is ending");
    ev_timer_stop(master->loop, &master->renew);
    end_idle(master);
    child_tell(&master->children.places[CHILD_DIRECTOR], MSG_DRAIN, 0, 0);
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (child_is_running(&master->children.places[slot]))
            atomic_store(&master->segment.slots[slot].state, SLOT_DRAINING);
}

static int64_t drain_timeout_ms(const struct master *master)
{
    const struct edition *current = master->rollout.current;
    const struct model *model = current != NULL ? current->model : master->boot;
    return model->global.drain_timeout_ms;
}

void stop_begin(struct master *master, enum stop_kind kind)
{
    bool is_first = master->phase < MASTER_DRAINING;
    if (kind == STOP_AT_LEISURE && !is_first)
        return;
    if (!is_first && master->has_drain_limit) {
        log_info("ending at once");
        end_at_once(master);
        return;
    }
    if (is_first) {
        log_info("ending: %s", kind == STOP_IN_TIME ? "open connections have drain_timeout"
                                                    : "when the last connection has");
        begin_draining(master);
    }
    int64_t limit_ms = drain_timeout_ms(master);
    if (kind == STOP_IN_TIME) {
        master->has_drain_limit = true;
        tell_workers(master, MSG_DRAIN, limit_ms > 0 ? (uint64_t)limit_ms : 1);
        set_limit(master, limit_ms + WORKERS_OWN_LIMIT_MS);
    } else {
        tell_workers(master, MSG_DRAIN, 0);
    }
    if (is_first)
        departure_of_all(master);
    stop_advance(master);
}

void stop_failed_start(struct master *master, const char *why, int exit_status)
{
    size_t length = strlen(why);
    (void)!write(STDERR_FILENO, why, length);
    if (length == 0 || why[length - 1] != '\n')
        (void)!write(STDERR_FILENO, "\n", 1);
    master->exit_status = exit_status;
    end_at_once(master);
}

void stop_advance(struct master *master)
{
    struct child *director = &master->children.places[CHILD_DIRECTOR];
    if (master->phase < MASTER_DRAINING || children_running(&master->children, false) > 0)
        return;
    if (!child_is_running(director)) {
        master->is_over = true;
        ev_break(master->loop, EVBREAK_ALL);
    } else if (!director->is_leaving) {
        director->is_leaving = true;
        /* It may be slow to write out its logs: the limit below is the one that counts. */
        supervisor_forget(master->supervisor, CHILD_DIRECTOR);
        child_tell(director, MSG_STOP, 0, 0);
        set_limit(master, master->phase == MASTER_ENDING ? GRACE_MS : DIRECTOR_GRACE_MS);
    }
}

/* SPDX-License-Identifier: MIT */
/* What a process is told: who it is, its sockets, where lines go, which configuration to prepare. */
#include "master/greeting.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/processors.h"

/* The one a new process starts with: the next where that is under way, else the current. */
static struct edition *edition_for_new(const struct master *master)
{
    const struct rollout *rollout = &master->rollout;
    return rollout->stage != ROLLOUT_IDLE ? rollout->next : rollout->current;
}

static void send_hello_to_worker(struct master *master, struct child *child)
{
    const struct edition *edition = edition_for_new(master);
    const struct message message = {.kind = MSG_HELLO};
    const struct hello hello = {
        .slot = child->place,
        .incarnation = atomic_load(&master->segment.slots[child->place].incarnation),
        .log_level = (uint32_t)edition->model->global.log_level,
        .max_connections = edition->max_connections,
        .n_workers = (uint32_t)processors_for(edition->model->global.workers),
        .poller = (uint32_t)master->boot->global.poller,
        .master_pid = (int32_t)getpid(),
    };
    const int fds[] = {master->segment.fd, master->pipes.log[1], master->pipes.access[1]};
    child_send(child, &message, &hello, sizeof hello, fds, 3);
}

static void send_hello_to_director(struct master *master, struct child *child)
{
    const struct edition *edition = edition_for_new(master);
    const struct message message = {.kind = MSG_HELLO};
    struct hello hello = {
        .log_level = (uint32_t)edition->model->global.log_level,
        .poller = (uint32_t)master->boot->global.poller,
        .master_pid = (int32_t)getpid(),
    };
    int fds[FDPASS_MOST] = {master->segment.fd, master->pipes.log[1], master->pipes.log[0],
                            master->pipes.access[0]};
    int n = 4;
    /* Before the first commit only the prepared ones are there. */
    const struct doors *doors = &master->doors;
    bool is_first = master->rollout.current == NULL && doors->n_now == 0;
    hello.n_admin = (uint32_t)(is_first ? doors->n_next : doors->n_now);
    for (uint32_t i = 0; i < hello.n_admin; i++) {
        const struct door *door = is_first ? &doors->next[i] : &doors->now[i];
        hello.tls_doors |= (uint32_t)door->tls << i;
        fds[n++] = door->fd;
    }
    hello.has_control = master->control.fd >= 0;
    if (hello.has_control)
        fds[n++] = master->control.fd;
    child_send(child, &message, &hello, sizeof hello, fds, n);
}

void greeting_prepare(struct child *child, struct edition *edition)
{
    struct message message = {.kind = MSG_PREPARE, .generation = edition->generation};
    child->asked = edition->generation;
    edition->is_held[child->place] = true;
    int fds[3] = {edition->bundle_fd}, n = 1;
    int keys_fd = child_is_worker(child) ? edition->keys.workers_fd : edition->keys.director_fd;
    message.flag = keys_fd >= 0;
    if (keys_fd >= 0)
        fds[n++] = keys_fd;
    if (!child_is_worker(child) && edition->written != NULL)
        fds[n++] = edition->written->bundle_fd;
    child_send(child, &message, NULL, 0, fds, n);
}

void greeting_lend(struct child *child, enum message_kind kind, uint64_t number,
                   const struct listener_batch *batch)
{
    const struct message message = {.kind = kind, .number = number};
    for (size_t at = 0; at < batch->n; at += FDPASS_MOST) {
        size_t n = batch->n - at < FDPASS_MOST ? batch->n - at : FDPASS_MOST;
        child_send(child, &message, batch->ids + at, n * sizeof *batch->ids, batch->fds + at,
                   (int)n);
    }
}

void greeting_drop(struct child *child, const struct listener_batch *batch)
{
    const struct message message = {.kind = MSG_DROP};
    for (size_t at = 0; at < batch->n; at += FDPASS_MOST) {
        size_t n = batch->n - at < FDPASS_MOST ? batch->n - at : FDPASS_MOST;
        child_send(child, &message, batch->ids + at, n * sizeof *batch->ids, NULL, 0);
    }
}

static int sink_for_director(const struct sink *sink)
{
    return sink->kind == LOGS_OFF || sink->kind == LOGS_SYSLOG ? -1 : sink->fd;
}

static int32_t facility_of(const struct sink *sink)
{
    return sink->kind == LOGS_SYSLOG || sink->kind == LOGS_SYSLOG_UDP ? sink->facility : -1;
}

void greeting_send_logs(struct master *master)
{
    struct child *director = &master->children.places[CHILD_DIRECTOR];
    const struct sinks *sinks = &master->sinks;
    const struct message message = {.kind = MSG_LOGS};
    struct logs logs = {0};
    int fds[2], n = 0;
    int log = sink_for_director(&sinks->log);
    int access = sink_for_director(&sinks->access);
    if (log >= 0) {
        logs.has_log_sink = 1;
        fds[n++] = log;
    }
    if (access >= 0) {
        logs.has_access_sink = 1;
        fds[n++] = access;
    }
    logs.log_facility = facility_of(&sinks->log);
    logs.access_facility = facility_of(&sinks->access);
    child_send(director, &message, &logs, sizeof logs, fds, n);
}

void greeting_send(struct master *master, struct child *child)
{
    if (child_is_worker(child)) {
        struct listener_batch batch = {0};
        send_hello_to_worker(master, child);
        child_lend_bells(child, 0, BELLS);
        if (listeners_collect(&master->listeners, child->place, &batch) != 0 ||
            listeners_collect_fresh(&master->listeners, child->place, &batch) != 0)
            log_error("out of memory: a worker starts without some of its sockets");
        greeting_lend(child, MSG_SOCKETS, 0, &batch);
        listener_batch_fini(&batch);
    } else {
        send_hello_to_director(master, child);
        child_lend_bells(child, 0, BELLS);
        greeting_send_logs(master);
        requests_tell_last(master);
    }
    greeting_prepare(child, edition_for_new(master));
}

/* SPDX-License-Identifier: MIT */
/* A worker's listening sockets: accepting in batches, backing off, adopting a stuck sibling's queue. */
#include "worker/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"
#include "relay/admit.h"

enum { ACCEPT_BATCH = 64 };

static const double starved_pause_s = 0.1, close_delay_s = 0.2;

struct listener {
    struct list_node all;
    struct ev_io watch;
    uint32_t id, slot;
    struct generation *generation; /* counted; NULL before the first commit that names it */
    struct service *service;
    const struct entrance *entrance; /* of the service */
    struct accepts *accepts;
    bool is_held; /* the service is at its max_connections */
    bool is_shut; /* it does not listen any more: master has taken it out of its group */
};

static void watch_listener(struct listener *listener)
{
    const struct accepts *accepts = listener->accepts;
    bool wants = listener->service != NULL && !listener->is_held && !listener->is_shut &&
                 !accepts->is_full && !accepts->is_starved;

    if (wants && !ev_is_active(&listener->watch))
        ev_io_start(accepts->relay->loop, &listener->watch);
    else if (!wants)
        ev_io_stop(accepts->relay->loop, &listener->watch);
}

static void watch_all(struct accepts *accepts)
{
    LIST_FOREACH(node, &accepts->all)
        watch_listener(container_of(node, struct listener, all));
}

static void pause_starved(struct accepts *accepts, int error)
{
    uint64_t suppressed = 0;

    accepts->is_starved = true;
    counter_add(&accepts->row->accept_paused_total, 1);
    watch_all(accepts);
    ev_timer_set(&accepts->resume, starved_pause_s, 0.);
    ev_timer_start(accepts->relay->loop, &accepts->resume);
    if (log_limit_pass(&accepts->starved_log, accepts->relay->now_ns, &suppressed))
        log_warning("cannot accept (%s): pausing for %d ms (%llu more pauses not shown)",
                    strerror(error), (int)(starved_pause_s * 1000),
                    (unsigned long long)suppressed);
}

static void on_resume(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct accepts *accepts = timer->data;

    (void)loop;
    (void)revents;
    accepts->is_starved = false;
    watch_all(accepts);
}

static bool is_service_full(const struct listener *listener)
{
    const struct service *service = listener->service;
    return service_is_full(listener->accepts->relay->segment, service->number,
                           service->model->max_connections);
}

/* Listeners whose service had no place go on where it has one again. */
static void release_held(struct accepts *accepts)
{
    accepts->has_held = false;
    LIST_FOREACH(node, &accepts->all) {
        struct listener *listener = container_of(node, struct listener, all);
        if (!listener->is_held)
            continue;
        listener->is_held = is_service_full(listener);
        accepts->has_held |= listener->is_held;
        watch_listener(listener);
    }
}

void accepts_make_room(struct accepts *accepts)
{
    if (accepts->has_held)
        release_held(accepts);
    if (!accepts->is_full || accepts->relay->n_open >= accepts->most_open)
        return;
    accepts->is_full = false;
    watch_all(accepts);
}

/*
 * Takes a place in the listener's service; false when it has none: then nobody is accepted there
 * until one comes free, and clients wait in the kernel's queue.
 */
static bool take_service_place(struct listener *listener)
{
    struct accepts *accepts = listener->accepts;
    const struct service *service = listener->service;
    int64_t limit = service->model->max_connections;

    if (service_claim(accepts->relay->segment, service->number, limit))
        return true;
    listener->is_held = accepts->has_held = true;
    watch_listener(listener);
    return false;
}

/* True when the batch may go on after accept(2) failed. */
static bool survives(struct listener *listener, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    case EINVAL: /* no fault of the others, which serve on */
        listener->is_shut = true;
        watch_listener(listener);
        return false;
    default:
        pause_starved(listener->accepts, error);
        return false;
    }
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct listener *listener = container_of(watch, struct listener, watch);
    struct accepts *accepts = listener->accepts;
    struct ration *ration = &accepts->relay->ration;
    struct addr client;

    (void)loop;
    (void)revents;
    for (int i = 0; i < ACCEPT_BATCH && ration_admit(ration, i == 0); i++) {
        profile_enter(&accepts->relay->profile, PROFILE_ACCEPT);
        if (accepts->relay->n_open >= accepts->most_open) {
            accepts->is_full = true;
            watch_all(accepts);
            return;
        }
        if (!take_service_place(listener))
            return;
        int fd = sock_accept(watch->fd, &client);
        if (fd < 0) {
            int error = errno;
            /* Another worker may have found the service full for this place alone. */
            admit_leave_service(accepts->relay, listener->service);
            if (!survives(listener, error))
                return;
            continue;
        }
        counter_add(&accepts->row->accepted_total, 1);
        struct life_arrival arrival = {.fd = fd,
                                       .client = &client,
                                       .generation = listener->generation,
                                       .service = listener->service,
                                       .entrance = listener->entrance};
        life_start(accepts->relay, &arrival);
        ration_end(ration);
    }
}

static void free_listener(struct listener *listener)
{
    ev_io_stop(listener->accepts->relay->loop, &listener->watch);
    close(listener->watch.fd);
    list_remove(&listener->all);
    if (listener->generation != NULL)
        generation_put(listener->generation);
    free(listener);
}

static void free_list(struct list_node *list)
{
    LIST_FOREACH_SAFE(node, after, list)
        free_listener(container_of(node, struct listener, all));
}

static void on_close(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct accepts *accepts = timer->data;

    (void)loop;
    (void)revents;
    free_list(&accepts->retired);
}

void accepts_init(struct accepts *accepts, struct relay *relay, uint64_t most_open)
{
    *accepts = (struct accepts){.relay = relay, .slot = relay->slot, .most_open = most_open};
    accepts->row = &relay->segment->slots[relay->slot];
    list_init(&accepts->all);
    list_init(&accepts->retired);
    ev_timer_init(&accepts->resume, on_resume, 0., 0.);
    ev_timer_init(&accepts->close, on_close, 0., 0.);
    accepts->resume.data = accepts->close.data = accepts;
}

void accepts_fini(struct accepts *accepts)
{
    ev_timer_stop(accepts->relay->loop, &accepts->resume);
    ev_timer_stop(accepts->relay->loop, &accepts->close);
    accepts_abandon(accepts);
}

void accepts_abandon(struct accepts *accepts)
{
    free_list(&accepts->all);
    free_list(&accepts->retired);
}

int accepts_add(struct accepts *accepts, uint32_t id, uint32_t slot, int fd)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        close(fd);
        return -1;
    }
    listener->id = id;
    listener->slot = slot;
    listener->accepts = accepts;
    ev_io_init(&listener->watch, on_acceptable, fd, EV_READ);
    list_append(&accepts->all, &listener->all);
    return 0;
}

void accepts_take(struct accepts *accepts, struct received *message, uint32_t slot)
{
    uint32_t ids[FDPASS_MOST];
    size_t n = channel_read_numbers(message, ids);

    for (int i = 0; i < message->n_fds; i++) {
        if ((size_t)i >= n)
            close(message->fds[i]);
        else if (accepts_add(accepts, ids[i], slot, message->fds[i]) != 0)
            log_error("out of memory for a listening socket");
    }
    message->n_fds = 0;
}

/* The service that a listener belongs to, NULL: none; and which of its listen lines it is. */
static struct service *service_of(struct generation *generation, uint32_t id,
                                  const struct entrance **entrance_out)
{
    for (size_t i = 0; i < generation->model->n_services; i++) {
        const struct model_service *model = &generation->model->services[i];
        for (size_t j = 0; j < model->n_listens; j++)
            if (generation->rows.listeners[model->first_listen + j] == id) {
                *entrance_out = &generation->services[i].entrances[j];
                return &generation->services[i];
            }
    }
    return NULL;
}

static void assign(struct listener *listener, struct generation *generation,
                   struct service *service, const struct entrance *entrance)
{
    struct generation *before = listener->generation;
    listener->generation = generation_get(generation);
    listener->service = service;
    listener->entrance = entrance;
    listener->is_held = listener->is_shut = false;
    if (before != NULL)
        generation_put(before);
    watch_listener(listener);
}

/* The address is leaving: an adopted socket of it is served as our own still is. */
static void assign_as_own(struct accepts *accepts, struct listener *adopted)
{
    LIST_FOREACH(node, &accepts->all) {
        const struct listener *own = container_of(node, struct listener, all);
        if (own->id != adopted->id || own->service == NULL)
            continue;
        assign(adopted, own->generation, own->service, own->entrance);
        return;
    }
}

void accepts_commit(struct accepts *accepts, struct generation *generation)
{
    LIST_FOREACH(node, &accepts->all) {
        struct listener *listener = container_of(node, struct listener, all);
        const struct entrance *entrance = NULL;
        struct service *service = service_of(generation, listener->id, &entrance);
        if (service != NULL)
            assign(listener, generation, service, entrance);
        else if (listener->service == NULL && listener->slot != accepts->slot)
            assign_as_own(accepts, listener);
    }
}

static void retire(struct accepts *accepts, struct listener *listener)
{
    ev_io_stop(accepts->relay->loop, &listener->watch);
    list_remove(&listener->all);
    list_append(&accepts->retired, &listener->all);
    ev_timer_stop(accepts->relay->loop, &accepts->close);
    ev_timer_set(&accepts->close, close_delay_s, 0.);
    ev_timer_start(accepts->relay->loop, &accepts->close);
}

void accepts_drop(struct accepts *accepts, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        LIST_FOREACH_SAFE(node, after, &accepts->all) {
            struct listener *listener = container_of(node, struct listener, all);
            if (listener->id == ids[i] && listener->slot == accepts->slot)
                retire(accepts, listener);
        }
}

void accepts_release(struct accepts *accepts, uint32_t slot)
{
    LIST_FOREACH_SAFE(node, after, &accepts->all) {
        struct listener *listener = container_of(node, struct listener, all);
        if (listener->slot == slot && slot != accepts->slot)
            retire(accepts, listener);
    }
}

bool accepts_is_empty(const struct accepts *accepts)
{
    return list_is_empty(&accepts->all);
}

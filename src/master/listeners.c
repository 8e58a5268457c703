/* SPDX-License-Identifier: MIT */
/* Listening sockets: per address one for each worker slot, all opened and kept by master. */
#include "master/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/vacancy.h"
#include "net/sock.h"

/*
 * A socket is bound when a configuration is prepared and listens when it is committed, so that a
 * configuration that is given up resets nobody. None that may have connections in its queue is
 * ever closed: see departure.c for how one goes.
 */

static struct listener *listener_at(struct list_node *node)
{
    return container_of(node, struct listener, node);
}

static struct sock_options options_of(const struct listener_tuning *tuning)
{
    return (struct sock_options){.nodelay = tuning->nodelay,
                                 .keepalive = tuning->keepalive,
                                 .user_timeout_ms = tuning->user_timeout_ms,
                                 .congestion = tuning->congestion};
}

static struct listener_tuning tuning_of(const struct model_service *service,
                                        const struct model_listen *listen)
{
    struct listener_tuning tuning = {.backlog = (int)listen->backlog,
                                     .nodelay = service->nodelay,
                                     .keepalive = service->keepalive,
                                     .user_timeout_ms = service->user_timeout_ms};
    strncpy(tuning.congestion, service->congestion, sizeof tuning.congestion - 1);
    return tuning;
}

static void add_problem(struct problems *problems, const struct model_service *service,
                        const struct model_listen *listen, const char *what, int fault)
{
    struct text section = {0};
    char address[ADDR_TEXT_BYTES];
    text_printf(&section, "service %s", service->name);
    problems_add(problems, &listen->origin, section.at, "listen", "%s %s: %s", what,
                 addr_print(address, &listen->address), strerror(fault));
    text_fini(&section);
}

void listener_batch_fini(struct listener_batch *batch)
{
    free(batch->ids);
    free(batch->fds);
    *batch = (struct listener_batch){0};
}

static int add_to_batch(struct listener_batch *batch, uint32_t id, int fd)
{
    if (batch->n == batch->capacity) {
        size_t capacity = batch->capacity * 2 + 16;
        uint32_t *ids = reallocarray(batch->ids, capacity, sizeof *ids);
        if (ids != NULL)
            batch->ids = ids;
        int *fds = reallocarray(batch->fds, capacity, sizeof *fds);
        if (fds != NULL)
            batch->fds = fds;
        if (ids == NULL || fds == NULL)
            return -1;
        batch->capacity = capacity;
    }
    batch->ids[batch->n] = id;
    batch->fds[batch->n++] = fd;
    return 0;
}

void listeners_init(struct listeners *listeners)
{
    *listeners = (struct listeners){0};
    list_init(&listeners->all);
}

void listeners_fini(struct listeners *listeners)
{
    LIST_FOREACH_SAFE(node, after, &listeners->all) {
        listener_close(listener_at(node));
    }
}

static void close_sink(struct listener *listener)
{
    if (listener->sink_fd >= 0)
        close(listener->sink_fd);
    listener->sink_fd = -1;
}

void listener_close(struct listener *listener)
{
    list_remove(&listener->node);
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        if (listener->fds[slot] < 0)
            continue;
        /* A worker that has not closed its copy yet must not keep the address listening. */
        shutdown(listener->fds[slot], SHUT_RD);
        close(listener->fds[slot]);
    }
    close_sink(listener);
    free(listener->interface);
    free(listener);
}

int listeners_check(const struct model *model, struct problems *problems)
{
    size_t before = problems->n_errors;
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        for (size_t k = 0; k < service->n_listens; k++) {
            const struct model_listen *listen = &service->listens[k];
            struct listener_tuning tuning = tuning_of(service, listen);
            struct sock_options options = options_of(&tuning);
            int fd = sock_open_stream(listen->address.any.sa_family);
            if (fd < 0 && errno == EAFNOSUPPORT) /* no IPv6: a wildcard takes IPv4 alone */
                fd = sock_open_stream(AF_INET);
            if (fd < 0 || sock_tune(fd, &options) != 0)
                add_problem(problems, service, listen, "cannot tune", errno);
            if (fd >= 0)
                close(fd);
        }
    }
    return problems->n_errors == before ? 0 : -1;
}

static struct listener *find(const struct listeners *listeners,
                             const struct model_listen *listen)
{
    for (struct list_node *node = listeners->all.next; node != &listeners->all;
         node = node->next) {
        struct listener *listener = listener_at(node);
        if (addr_is_equal(&listener->address, &listen->address) &&
            strcmp(listener->interface, listen->interface) == 0)
            return listener;
    }
    return NULL;
}

static bool is_wildcard(const struct addr *address)
{
    if (address->any.sa_family == AF_INET)
        return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return address->any.sa_family == AF_INET6 &&
           memcmp(&address->in6.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

/* True when we listen at an address that overlaps: then the probe would only find ourselves. */
static bool is_overlapped(const struct listeners *listeners, const struct addr *address)
{
    for (struct list_node *node = listeners->all.next; node != &listeners->all;
         node = node->next) {
        const struct addr *other = &listener_at(node)->address;
        if (addr_port(other) == addr_port(address) &&
            (is_wildcard(other) || is_wildcard(address) || addr_is_equal(other, address)))
            return true;
    }
    return false;
}

/* SO_REUSEPORT alone would let a second daemon of the same user share the port in silence. */
static int probe(const struct listeners *listeners, const struct model_listen *listen,
                 int64_t patience_ms)
{
    if (is_overlapped(listeners, &listen->address))
        return 0;
    return vacancy_wait(&listen->address, listen->interface, patience_ms) ? 0 : -1;
}

static struct listener *add_listener(struct listeners *listeners,
                                     const struct model_listen *listen)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->interface = strdup(listen->interface);
    if (listener->interface == NULL) {
        free(listener);
        return NULL;
    }
    listener->id = ++listeners->last_id;
    listener->address = listen->address;
    listener->sink_fd = -1;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        listener->fds[slot] = -1;
    list_append(&listeners->all, &listener->node);
    return listener;
}

static int open_socket(struct listener *listener, uint32_t slot)
{
    if (listener->fds[slot] >= 0)
        return 0;
    struct sock_options options = options_of(&listener->next_tuning);
    int fd = sock_open_listener(&listener->address, listener->interface);
    if (fd < 0)
        return -1;
    if (sock_tune_fresh(fd, &options) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    listener->fds[slot] = fd;
    listener->is_fresh[slot] = true;
    return 0;
}

/* One listen of the model, for every slot. */
static int prepare_one(struct listeners *listeners, const struct model_service *service,
                       const struct model_listen *listen, const uint32_t *slots, size_t n_slots,
                       int64_t patience_ms, uint32_t *id_out)
{
    struct listener *listener = find(listeners, listen);
    if (listener == NULL) {
        if (probe(listeners, listen, patience_ms) != 0)
            return -1;
        listener = add_listener(listeners, listen);
    }
    if (listener == NULL)
        return -1;
    listener->is_wanted = true;
    listener->next_tuning = tuning_of(service, listen);
    *id_out = listener->id;
    for (size_t i = 0; i < n_slots; i++)
        if (open_socket(listener, slots[i]) != 0)
            return -1;
    return 0;
}

int listeners_prepare(struct listeners *listeners, const struct model *model,
                      const uint32_t *slots, size_t n_slots, uint32_t *ids_out,
                      int64_t patience_ms, struct problems *problems)
{
    size_t before = problems->n_errors;
    size_t at = 0;
    if (listeners_check(model, problems) != 0)
        return -1;
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        for (size_t k = 0; k < service->n_listens; k++, at++)
            if (prepare_one(listeners, service, &service->listens[k], slots, n_slots,
                            patience_ms, &ids_out[at]) != 0)
                add_problem(problems, service, &service->listens[k], "cannot listen on", errno);
    }
    if (problems->n_errors == before)
        return 0;
    listeners_abort(listeners);
    return -1;
}

int listeners_collect_fresh(const struct listeners *listeners, uint32_t slot,
                            struct listener_batch *batch)
{
    LIST_FOREACH(node, &listeners->all) {
        const struct listener *listener = listener_at(node);
        if (listener->is_fresh[slot] &&
            add_to_batch(batch, listener->id, listener->fds[slot]) != 0)
            return -1;
    }
    return 0;
}

int listeners_collect(const struct listeners *listeners, uint32_t slot,
                      struct listener_batch *batch)
{
    LIST_FOREACH(node, &listeners->all) {
        const struct listener *listener = listener_at(node);
        if (listener->fds[slot] >= 0 && !listener->is_fresh[slot] && !listener->is_dropped &&
            add_to_batch(batch, listener->id, listener->fds[slot]) != 0)
            return -1;
    }
    return 0;
}

int listeners_collect_dropped(const struct listeners *listeners, uint32_t slot,
                              uint64_t dropped_ns, struct listener_batch *batch)
{
    LIST_FOREACH(node, &listeners->all) {
        struct listener *listener = listener_at(node);
        if (!listener->is_dropped || listener->dropped_ns != dropped_ns ||
            listener->fds[slot] < 0)
            continue;
        if (add_to_batch(batch, listener->id, listener->fds[slot]) != 0)
            return -1;
        listener->n_holders++;
    }
    return 0;
}

/* Points new connections at the members that stay; without any that goes the kernel chooses. */
static void steer(const struct listeners *listeners, const struct listener *listener, int but)
{
    uint16_t indexes[SEGMENT_SLOTS];
    bool may_serve[SEGMENT_SLOTS];
    if (listener->lineup.n == 0 || listener->sink_fd >= 0) /* all goes to the sink */
        return;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        may_serve[slot] = !listeners->is_going[slot];
    int n = lineup_indexes(&listener->lineup, may_serve, but, indexes);
    if (n == listener->lineup.n)
        n = 0;
    sock_steer(listener->fds[listener->lineup.slots[0]], indexes, n);
}

/* Listens on the fresh sockets, ascending by slot. */
static int start_listening(struct listener *listener)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        if (!listener->is_fresh[slot])
            continue;
        if (sock_listen(listener->fds[slot], listener->next_tuning.backlog) != 0)
            return -1;
        lineup_append(&listener->lineup, slot);
    }
    return 0;
}

static bool is_same_tuning(const struct listener_tuning *a, const struct listener_tuning *b)
{
    return a->backlog == b->backlog && a->nodelay == b->nodelay &&
           a->keepalive == b->keepalive && a->user_timeout_ms == b->user_timeout_ms &&
           strcmp(a->congestion, b->congestion) == 0;
}

/* Tunes the sockets that are kept, where something has changed. */
static void tune_kept(struct listener *listener)
{
    struct sock_options options = options_of(&listener->next_tuning);
    bool is_same = is_same_tuning(&listener->tuning, &listener->next_tuning);
    listener->tuning = listener->next_tuning;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS && !is_same; slot++) {
        if (listener->fds[slot] < 0 || listener->is_fresh[slot])
            continue;
        /* listeners_check has tried the same on another socket. */
        (void)!sock_tune(listener->fds[slot], &options);
        (void)!sock_listen(listener->fds[slot], listener->tuning.backlog);
    }
}

int listeners_commit(struct listeners *listeners, struct problems *problems)
{
    LIST_FOREACH(node, &listeners->all) {
        struct listener *listener = listener_at(node);
        char address[ADDR_TEXT_BYTES];
        if (!listener->is_wanted || start_listening(listener) == 0)
            continue;
        problems_add(problems, NULL, NULL, NULL, "cannot listen on %s: %s",
                     addr_print(address, &listener->address), strerror(errno));
        return -1;
    }
    LIST_FOREACH(node, &listeners->all) {
        struct listener *listener = listener_at(node);
        if (!listener->is_wanted) {
            listener->is_live = false;
            continue;
        }
        tune_kept(listener);
        memset(listener->is_fresh, 0, sizeof listener->is_fresh);
        listener->is_live = true;
        listener->is_wanted = false;
        steer(listeners, listener, -1);
    }
    return 0;
}

void listeners_abort(struct listeners *listeners)
{
    LIST_FOREACH_SAFE(node, after, &listeners->all) {
        struct listener *listener = listener_at(node);
        listener->is_wanted = false;
        bool has_others = false;
        for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
            has_others |= listener->fds[slot] >= 0 && !listener->is_fresh[slot];
            if (!listener->is_fresh[slot])
                continue;
            lineup_remove(&listener->lineup, slot);
            close(listener->fds[slot]);
            listener->fds[slot] = -1;
            listener->is_fresh[slot] = false;
        }
        if (!has_others)
            listener_close(listener);
        else
            steer(listeners, listener, -1);
    }
}

void listener_revive(struct listener *listener)
{
    int ignored = 0;
    listener->is_refusing = listener->is_dropped = false;
    close_sink(listener);
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (listener->fds[slot] >= 0)
            setsockopt(listener->fds[slot], SOL_SOCKET, SO_DETACH_FILTER, &ignored,
                       sizeof ignored);
}

/*
 * A filter that drops SYNs needs CAP_NET_ADMIN on some kernels; one more member of the reuseport
 * group that takes them all does not. Where neither can be had, the address still ends: the
 * queue is served until nothing waits.
 */
void listener_refuse(struct listener *listener)
{
    int member = -1;
    bool is_filtered = true;

    listener->is_refusing = true;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        if (listener->fds[slot] < 0 || listener->is_fresh[slot])
            continue;
        member = listener->fds[slot];
        is_filtered = sock_refuse_new(member) == 0 && is_filtered;
    }
    if (!is_filtered && member >= 0 && listener->sink_fd < 0)
        listener->sink_fd = sock_open_sink(member, (uint16_t)listener->lineup.n);
}

static size_t waiting_at(const struct listener *listener, uint32_t slot)
{
    if (listener->fds[slot] < 0 || listener->is_fresh[slot])
        return 0;
    int length = sock_queue_length(listener->fds[slot]);
    return length > 0 ? (size_t)length : 0;
}

size_t listener_waiting(const struct listener *listener)
{
    size_t waiting = 0;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        waiting += waiting_at(listener, slot);
    return waiting;
}

size_t listeners_waiting_for(const struct listeners *listeners, uint32_t slot)
{
    size_t waiting = 0;
    LIST_FOREACH(node, &listeners->all) {
        waiting += waiting_at(listener_at(node), slot);
    }
    return waiting;
}

void listeners_steer_around(struct listeners *listeners, uint32_t slot)
{
    listeners->is_going[slot] = true;
    LIST_FOREACH(node, &listeners->all) {
        steer(listeners, listener_at(node), -1);
    }
}

/* Takes one socket out of its group while no index in use becomes wrong. */
static void close_socket(const struct listeners *listeners, struct listener *listener,
                         uint32_t slot)
{
    /* The sink is behind the last member, and would be the one to move: it joins anew. */
    bool has_sink = listener->sink_fd >= 0;
    close_sink(listener);
    /* The last member will move into the hole: nothing is steered to it meanwhile. */
    if (listener->lineup.n > 0)
        steer(listeners, listener, listener->lineup.slots[listener->lineup.n - 1]);
    /* A worker's copy would keep the socket in the group; shutting it takes it out at once. */
    shutdown(listener->fds[slot], SHUT_RD);
    lineup_remove(&listener->lineup, slot);
    close(listener->fds[slot]);
    listener->fds[slot] = -1;
    steer(listeners, listener, -1);
    if (has_sink)
        listener_refuse(listener);
}

void listeners_close_slot(struct listeners *listeners, uint32_t slot)
{
    LIST_FOREACH(node, &listeners->all) {
        struct listener *listener = listener_at(node);
        if (listener->fds[slot] >= 0 && !listener->is_fresh[slot])
            close_socket(listeners, listener, slot);
    }
    listeners->is_going[slot] = false;
}

bool listeners_has_slot(const struct listeners *listeners, uint32_t slot)
{
    LIST_FOREACH(node, &listeners->all) {
        if (listener_at(node)->fds[slot] >= 0)
            return true;
    }
    return false;
}

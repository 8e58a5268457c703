/* SPDX-License-Identifier: MIT */
/* `pool`: connections to hosts that are kept open ahead of need. */
#include "relay/warm.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/dial.h"

static const uint64_t pause_ns = CLOCK_NS_PER_S; /* after a failed connect */
static const uint64_t limit_least_ns =
    20 * CLOCK_NS_PER_MS; /* who closes sooner is not worth it */
static const uint64_t look_most_ns = CLOCK_NS_PER_S, look_least_ns = 5 * CLOCK_NS_PER_MS;

struct warm_socket {
    struct list_node node; /* of its pool, youngest first */
    struct ev_io watch;
    struct warm_pool *pool;
    uint64_t made_ns;
    bool is_open; /* else the connect is under way */
};

/* The sockets to one host by one way. Owner: the generation's way. */
struct warm_pool {
    struct relay *relay;
    struct service *service;
    struct way *way;
    uint32_t host; /* index in the group */
    uint32_t n;
    struct list_node sockets;
    struct list_node all;   /* relay.warm_pools */
    struct list_node needy; /* relay.needy_pools, while some are missing */
    uint64_t limit_ns;      /* age at which the host closes; 0 = not known */
    uint64_t returned_ns;   /* of the host's row, when limit_ns was learnt */
    uint64_t paused_until_ns;
};

static const struct model_group *group_of(const struct warm_pool *pool)
{
    return pool->way->line->group.model;
}

static const struct host *host_of(const struct warm_pool *pool)
{
    return &pool->way->line->group.hosts[pool->host];
}

static void close_socket(struct warm_socket *warm)
{
    struct relay *relay = warm->pool->relay;

    ev_io_stop(relay->loop, &warm->watch);
    close(warm->watch.fd);
    list_remove(&warm->node);
    warm->pool->n--;
    relay->n_warm--;
    free(warm);
}

static void want_more(struct warm_pool *pool)
{
    if (!list_is_linked(&pool->needy))
        list_append(&pool->relay->needy_pools, &pool->needy);
}

/* How old a socket may become before it is replaced; UINT64_MAX: nothing speaks against any age. */
static uint64_t age_most_ns(const struct warm_pool *pool)
{
    return pool->limit_ns == 0 ? UINT64_MAX : pool->limit_ns / 2;
}

/* The host has closed a socket that was open for so long. */
static void learn(struct warm_pool *pool, uint64_t age_ns)
{
    uint64_t returned_ns = atomic_load(&host_of(pool)->row->returned_ns);

    /* One that came back may be another one: what was learnt of the old is void. */
    if (returned_ns != pool->returned_ns)
        pool->limit_ns = 0;
    pool->returned_ns = returned_ns;
    if (age_ns < limit_least_ns)
        pool->paused_until_ns = pool->relay->now_ns + pause_ns;
    else if (pool->limit_ns == 0 || age_ns < pool->limit_ns)
        pool->limit_ns = age_ns;
}

static void lose(struct warm_socket *warm)
{
    struct warm_pool *pool = warm->pool;

    if (warm->is_open)
        learn(pool, pool->relay->now_ns - warm->made_ns);
    else
        pool->paused_until_ns = pool->relay->now_ns + pause_ns;
    close_socket(warm);
    want_more(pool);
}

/* True when the host has neither ended nor reset the connection, whatever it has said. */
static bool is_alive(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 0;
}

static void on_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct warm_socket *warm = container_of(watch, struct warm_socket, watch);
    char byte;

    (void)revents;
    profile_enter(&warm->pool->relay->profile, PROFILE_OTHER);
    if (!warm->is_open) {
        if (sock_take_error(watch->fd) != 0) {
            lose(warm);
            return;
        }
        warm->is_open = true;
        ev_io_stop(loop, watch);
        ev_io_set(watch, watch->fd, EV_READ);
        ev_io_start(loop, watch);
        return;
    }
    if (recv(watch->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 && is_alive(watch->fd))
        ev_io_stop(loop,
                   watch); /* a greeting, which waits for a client; the end is looked for */
    else
        lose(warm);
}

static int add_socket(struct warm_pool *pool)
{
    struct relay *relay = pool->relay;
    struct warm_socket *warm = calloc(1, sizeof *warm);
    int fd;

    if (warm == NULL ||
        dial(pool->way, &host_of(pool)->model->address, NULL, &fd) != DIAL_GOING) {
        free(warm);
        return -1;
    }
    warm->pool = pool;
    warm->made_ns = relay->now_ns;
    ev_io_init(&warm->watch, on_ready, fd, EV_WRITE);
    ev_io_start(relay->loop, &warm->watch);
    list_prepend(&pool->sockets, &warm->node);
    pool->n++;
    relay->n_warm++;
    return 0;
}

static void fill(struct warm_pool *pool)
{
    struct relay *relay = pool->relay;

    if (relay->now_ns < pool->paused_until_ns ||
        !host_is_usable(host_of(pool)->row, relay->now_ns))
        return;
    while (pool->n < (uint32_t)group_of(pool)->pool && relay->n_warm < relay->most_warm)
        if (add_socket(pool) != 0) {
            pool->paused_until_ns = relay->now_ns + pause_ns;
            return;
        }
}

void warm_refill(struct relay *relay)
{
    while (!list_is_empty(&relay->needy_pools)) {
        struct warm_pool *pool = container_of(relay->needy_pools.next, struct warm_pool, needy);
        list_remove(&pool->needy);
        fill(pool);
    }
}

int warm_take(struct conn *c)
{
    if (c->way->pools == NULL)
        return -1;
    struct warm_pool *pool = &c->way->pools[c->target];
    LIST_FOREACH_SAFE(node, after, &pool->sockets) {
        struct warm_socket *warm = container_of(node, struct warm_socket, node);
        if (!warm->is_open)
            continue;
        if (pool->relay->now_ns - warm->made_ns >= age_most_ns(pool) ||
            !is_alive(warm->watch.fd)) {
            lose(warm);
            continue;
        }
        int fd = warm->watch.fd;
        ev_io_stop(pool->relay->loop, &warm->watch);
        list_remove(&warm->node);
        pool->n--;
        pool->relay->n_warm--;
        free(warm);
        want_more(pool);
        return fd;
    }
    return -1;
}

/* Replaces what is too old, what has died with its greeting unread, and what never came to be. */
static void look_at_pool(struct warm_pool *pool)
{
    struct relay *relay = pool->relay;
    bool is_wanted = host_is_usable(host_of(pool)->row, relay->now_ns);
    uint64_t patience_ns = (uint64_t)pool->service->model->connect_timeout_ms * CLOCK_NS_PER_MS;

    LIST_FOREACH_SAFE(node, after, &pool->sockets) {
        struct warm_socket *warm = container_of(node, struct warm_socket, node);
        uint64_t age_ns = relay->now_ns - warm->made_ns;
        bool is_deaf = warm->is_open && !ev_is_active(&warm->watch);
        if (!is_wanted || (warm->is_open && age_ns >= age_most_ns(pool)))
            close_socket(warm);
        else if ((!warm->is_open && age_ns >= patience_ns) ||
                 (is_deaf && !is_alive(warm->watch.fd)))
            lose(warm);
    }
    fill(pool);
}

/* Often enough for the shortest age at which some host closes. */
static uint64_t look_every_ns(const struct relay *relay)
{
    uint64_t every_ns = look_most_ns;

    LIST_FOREACH(node, &relay->warm_pools) {
        const struct warm_pool *pool = container_of(node, struct warm_pool, all);
        if (pool->limit_ns != 0 && pool->limit_ns / 8 < every_ns)
            every_ns = pool->limit_ns / 8;
    }
    return every_ns > look_least_ns ? every_ns : look_least_ns;
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct relay *relay = timer->data;

    (void)revents;
    profile_enter(&relay->profile, PROFILE_OTHER);
    LIST_FOREACH(node, &relay->warm_pools)
        look_at_pool(container_of(node, struct warm_pool, all));
    timer->repeat = (double)look_every_ns(relay) / (double)CLOCK_NS_PER_S;
    ev_timer_again(loop, timer);
}

void warm_init(struct relay *relay, int64_t most)
{
    relay->most_warm = most;
    list_init(&relay->warm_pools);
    list_init(&relay->needy_pools);
    ev_timer_init(&relay->warm_look, on_look, 0.,
                  (double)look_most_ns / (double)CLOCK_NS_PER_S);
    relay->warm_look.data = relay;
}

void warm_fini(struct relay *relay)
{
    ev_timer_stop(relay->loop, &relay->warm_look);
}

/* `bind = client' gives each client a source of its own: no socket can be made before it is there. */
static bool can_pool(const struct model_group *group)
{
    for (size_t i = 0; i < group->n_binds; i++)
        if (group->binds[i].is_client)
            return false;
    return group->pool > 0;
}

static void start_way(struct relay *relay, struct service *service, struct way *way)
{
    uint32_t n_hosts = way->line->group.n_hosts;

    if (!can_pool(way->line->group.model))
        return;
    way->pools = calloc(n_hosts, sizeof *way->pools);
    if (way->pools == NULL) {
        log_error("out of memory: service %s gets no pool", service->model->name);
        return;
    }
    for (uint32_t i = 0; i < n_hosts; i++) {
        struct warm_pool *pool = &way->pools[i];
        *pool = (struct warm_pool){.relay = relay, .service = service, .way = way, .host = i};
        list_init(&pool->sockets);
        list_append(&relay->warm_pools, &pool->all);
        want_more(pool);
    }
    if (!ev_is_active(&relay->warm_look))
        ev_timer_again(relay->loop, &relay->warm_look);
}

void warm_start(struct relay *relay, struct generation *generation)
{
    for (size_t i = 0; i < generation->model->n_services; i++) {
        struct service *service = &generation->services[i];
        for (uint32_t k = 0; k < service->n_ways; k++)
            start_way(relay, service, &service->ways[k]);
    }
}

static void stop_pool(struct warm_pool *pool)
{
    LIST_FOREACH_SAFE(node, after, &pool->sockets) {
        close_socket(container_of(node, struct warm_socket, node));
    }
    list_remove(&pool->all);
    if (list_is_linked(&pool->needy))
        list_remove(&pool->needy);
}

void warm_stop(struct relay *relay, struct generation *generation)
{
    for (size_t i = 0; i < generation->model->n_services; i++) {
        struct service *service = &generation->services[i];
        for (uint32_t k = 0; k < service->n_ways; k++) {
            struct way *way = &service->ways[k];
            for (uint32_t n = 0; way->pools != NULL && n < way->line->group.n_hosts; n++)
                stop_pool(&way->pools[n]);
            free(way->pools);
            way->pools = NULL;
        }
    }
    if (list_is_empty(&relay->warm_pools))
        ev_timer_stop(relay->loop, &relay->warm_look);
}

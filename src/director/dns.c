/* SPDX-License-Identifier: MIT */
/* A channel of c-ares on an event loop, made anew when its servers change. */
#include "director/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <ev.h>

#include "base/list.h"

/*
 * c-ares says which sockets it waits for, and until when; the loop tells it what has happened.
 * Each question goes to every server once: who asks decides whether it is asked again, so that a
 * server that refuses cannot make us ask it in a loop.
 */
enum { PATIENCE_MS = 500, TRIES = 1, PORT_DNS = 53 };

/* Two looks at resolv.conf are the same when all of these are; zero = it is not there. */
struct file_mark {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct dns {
    struct ev_loop *loop;
    const char *resolv_conf;
    ares_channel channel; /* NULL = none */
    struct addr *servers; /* owned */
    size_t n_servers;
    bool are_servers_new;
    struct file_mark mark;    /* of resolv.conf when the channel was made */
    struct list_node sockets; /* struct dns_socket */
    struct ev_timer timer;
};

/* A socket of c-ares. Owner: the list. */
struct dns_socket {
    struct list_node node;
    struct dns *dns;
    struct ev_io watch;
};

static void on_socket(struct ev_loop *loop, struct ev_io *watch, int events)
{
    const struct dns_socket *socket = watch->data;
    struct dns *dns = socket->dns;
    ares_socket_t fd = watch->fd;
    (void)loop;
    /* The socket may be closed by the call, and its watcher freed. */
    ares_process_fd(dns->channel, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    dns_watch(dns);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct dns *dns = timer->data;
    (void)loop;
    (void)events;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_watch(dns);
}

void dns_watch(struct dns *dns)
{
    struct timeval left;
    ev_timer_stop(dns->loop, &dns->timer);
    if (dns->channel == NULL || ares_timeout(dns->channel, NULL, &left) == NULL)
        return;
    ev_timer_set(&dns->timer, (double)left.tv_sec + (double)left.tv_usec / 1e6, 0.);
    ev_timer_start(dns->loop, &dns->timer);
}

static struct dns_socket *find_socket(const struct dns *dns, ares_socket_t fd)
{
    LIST_FOREACH(node, &dns->sockets) {
        struct dns_socket *socket = container_of(node, struct dns_socket, node);
        if (socket->watch.fd == fd)
            return socket;
    }
    return NULL;
}

/* Without a watcher its answers are not seen: the question runs into its limit. */
static struct dns_socket *add_socket(struct dns *dns, ares_socket_t fd)
{
    struct dns_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return NULL;
    socket->dns = dns;
    ev_io_init(&socket->watch, on_socket, fd, 0);
    socket->watch.data = socket;
    list_append(&dns->sockets, &socket->node);
    return socket;
}

/* c-ares: it waits for this of the socket from now on; for nothing means that it will be closed. */
static void on_socket_state(void *context, ares_socket_t fd, int is_read, int is_written)
{
    struct dns *dns = context;
    struct dns_socket *socket = find_socket(dns, fd);
    if (socket != NULL)
        ev_io_stop(dns->loop, &socket->watch);
    if (!is_read && !is_written) {
        if (socket != NULL)
            list_remove(&socket->node);
        free(socket);
        return;
    }
    if (socket == NULL)
        socket = add_socket(dns, fd);
    if (socket == NULL)
        return;
    ev_io_set(&socket->watch, fd, (is_read ? EV_READ : 0) | (is_written ? EV_WRITE : 0));
    ev_io_start(dns->loop, &socket->watch);
}

struct dns *dns_new(struct ev_loop *loop, const char *resolv_conf)
{
    struct dns *dns = calloc(1, sizeof *dns);
    if (dns == NULL)
        return NULL;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(dns);
        errno = ENOMEM;
        return NULL;
    }
    dns->loop = loop;
    dns->resolv_conf = resolv_conf;
    list_init(&dns->sockets);
    ev_timer_init(&dns->timer, on_timer, 0., 0.);
    dns->timer.data = dns;
    return dns;
}

static void close_channel(struct dns *dns)
{
    ares_channel channel = dns->channel;
    dns->channel = NULL;
    if (channel != NULL)
        ares_destroy(channel);
    ev_timer_stop(dns->loop, &dns->timer);
}

void dns_free(struct dns *dns)
{
    if (dns == NULL)
        return;
    close_channel(dns);
    ares_library_cleanup();
    free(dns->servers);
    free(dns);
}

int dns_set_servers(struct dns *dns, const struct addr *servers, size_t n)
{
    bool is_same = n == dns->n_servers;
    for (size_t i = 0; i < n && is_same; i++)
        is_same = addr_is_equal(&servers[i], &dns->servers[i]);
    if (is_same)
        return 0;
    struct addr *copy = malloc((n + 1) * sizeof *copy);
    if (copy == NULL)
        return -1;
    if (n > 0)
        memcpy(copy, servers, n * sizeof *copy);
    free(dns->servers);
    dns->servers = copy;
    dns->n_servers = n;
    dns->are_servers_new = true;
    return 1;
}

static struct file_mark look_at(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct file_mark){0};
    return (struct file_mark){status.st_dev, status.st_ino, status.st_mtim};
}

static bool is_same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The list that c-ares copies. */
static int use_servers(ares_channel channel, const struct addr *servers, size_t n)
{
    struct ares_addr_port_node *nodes = calloc(n, sizeof *nodes);
    if (nodes == NULL)
        return ARES_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        uint16_t port = addr_port(&servers[i]);
        nodes[i].next = i + 1 < n ? &nodes[i + 1] : NULL;
        nodes[i].family = servers[i].any.sa_family;
        nodes[i].udp_port = nodes[i].tcp_port = port != 0 ? port : PORT_DNS;
        if (nodes[i].family == AF_INET)
            nodes[i].addr.addr4 = servers[i].in.sin_addr;
        else
            memcpy(&nodes[i].addr.addr6, &servers[i].in6.sin6_addr, sizeof nodes[i].addr.addr6);
    }
    int status = ares_set_servers_ports(channel, nodes);
    free(nodes);
    return status;
}

static int open_channel(struct dns *dns)
{
    char path[4096], only_dns[] = "b"; /* c-ares takes neither as const */
    struct ares_options options = {.timeout = PATIENCE_MS,
                                   .tries = TRIES,
                                   .lookups = only_dns,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = dns,
                                   .resolvconf_path = path};
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
    if (dns->n_servers > 0)
        given |= ARES_OPT_DOMAINS; /* none of them */
    size_t length = strnlen(dns->resolv_conf, sizeof path - 1);
    memcpy(path, dns->resolv_conf, length);
    path[length] = '\0';
    int status = ares_init_options(&dns->channel, &options, given);
    if (status != ARES_SUCCESS) {
        dns->channel = NULL;
        return -1;
    }
    if (dns->n_servers > 0 &&
        use_servers(dns->channel, dns->servers, dns->n_servers) != ARES_SUCCESS) {
        close_channel(dns);
        return -1;
    }
    return 0;
}

int dns_refresh(struct dns *dns)
{
    struct file_mark mark = look_at(dns->resolv_conf);
    if (dns->channel != NULL && !dns->are_servers_new && is_same_mark(&mark, &dns->mark))
        return 0;
    close_channel(dns);
    dns->mark = mark;
    if (open_channel(dns) != 0) {
        errno = ENOMEM;
        return -1;
    }
    dns->are_servers_new = false;
    return 0;
}

ares_channel dns_channel(const struct dns *dns)
{
    return dns->channel;
}

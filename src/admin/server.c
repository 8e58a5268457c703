/* SPDX-License-Identifier: MIT */
/*
 * Puts libmicrohttpd behind libev.
 *
 * Each door is a daemon of libmicrohttpd with an epoll set of its own; the set's descriptor and
 * the daemon's next time limit are watched by our loop, so that nothing runs while nobody asks.
 * Its limit is on silence; that on a whole request is ours: a client that has not sent its
 * request within REQUEST_S has its socket shut, and libmicrohttpd closes it.
 */
#include "admin/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <microhttpd.h>

#include "admin/exchange.h"
#include "admin/secure.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "net/sock.h"

enum { REQUEST_S = 10, SWEEP_S = 1, CONNECTIONS_MOST = 64, DOOR_BACKLOG = 64 };

struct server {
    struct ev_loop *loop;
    struct admin_actions actions;
    struct list_node doors, clients, waiting;
    struct ev_timer sweep; /* runs while there are clients */
    uint64_t last_ticket;
    struct accounts *accounts;
    struct hash_key key; /* of this process */
    uint64_t
        shown; /* digest of the certificate with its key that doors of HTTPS show; 0 = none */
};

struct door {
    struct list_node node;
    struct server *server;
    int fd;                    /* listens; owned */
    struct MHD_Daemon *daemon; /* NULL = HTTPS without a certificate */
    struct ev_io watch;
    struct ev_timer timer;
    enum door_kind kind;
    bool is_ending; /* it listens no more (fd is -1): another one does in its place */
};

/* An open connection. Owner: libmicrohttpd, as the socket's context. */
struct client {
    struct list_node node;
    int fd;            /* libmicrohttpd's */
    uint64_t since_ns; /* when it could begin its request; 0 = the request is here whole */
};

static bool is_full(const struct door *door)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL && info->num_connections >= CONNECTIONS_MOST;
}

/* Lets libmicrohttpd do what there is to do, then asks it when it next wants to. */
static void run_door(struct door *door)
{
    if (door->daemon == NULL)
        return;
    struct ev_loop *loop = door->server->loop;
    bool was_full = is_full(door);
    MHD_run(door->daemon);
    /*
     * A full door does not listen, and begins to do so again only where it begins to run (0.9.75): once its last clients
     * have gone in this run nothing else might ever happen here.
     */
    if (was_full && !is_full(door))
        MHD_run(door->daemon);
    MHD_UNSIGNED_LONG_LONG limit_ms;
    ev_timer_stop(loop, &door->timer);
    if (MHD_get_timeout(door->daemon, &limit_ms) == MHD_YES) {
        ev_timer_set(&door->timer, (double)limit_ms / 1000, 0.);
        ev_timer_start(loop, &door->timer);
    }
}

static void on_door_ready(struct ev_loop *loop, struct ev_io *watch, int events)
{
    (void)loop;
    (void)events;
    run_door(container_of(watch, struct door, watch));
}

static void on_door_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    run_door(container_of(timer, struct door, timer));
}

static void free_door(struct door *door)
{
    ev_io_stop(door->server->loop, &door->watch);
    ev_timer_stop(door->server->loop, &door->timer);
    if (door->daemon != NULL)
        MHD_stop_daemon(door->daemon);
    if (door->fd >= 0)
        close(door->fd);
    list_remove(&door->node);
    free(door);
}

/* Frees the doors that nobody stands in any more; true while there are others that end. */
static bool end_doors(struct server *server)
{
    bool is_any_left = false;
    LIST_FOREACH_SAFE(node, after, &server->doors) {
        struct door *door = container_of(node, struct door, node);
        if (!door->is_ending)
            continue;
        const union MHD_DaemonInfo *info =
            MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        if (info == NULL || info->num_connections == 0)
            free_door(door);
        else
            is_any_left = true;
    }
    return is_any_left;
}

/* Shuts clients that have taken too long over their request. */
static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct server *server = container_of(timer, struct server, sweep);
    uint64_t now_ns = clock_now_ns();
    LIST_FOREACH(node, &server->clients) {
        struct client *client = container_of(node, struct client, node);
        if (client->since_ns != 0 && now_ns - client->since_ns > REQUEST_S * CLOCK_NS_PER_S)
            shutdown(client->fd, SHUT_RDWR);
    }
    bool is_any_ending = end_doors(server);
    if (list_is_empty(&server->clients) && !is_any_ending)
        ev_timer_stop(loop, timer);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **client_slot,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = ((struct door *)context)->server;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct client *client = *client_slot;
        if (client != NULL)
            list_remove(&client->node);
        free(client);
        *client_slot = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct client *client = info == NULL ? NULL : calloc(1, sizeof *client);
    *client_slot = client;
    if (client == NULL)
        return;
    client->fd = info->connect_fd;
    client->since_ns = clock_now_ns();
    list_append(&server->clients, &client->node);
    if (!ev_is_active(&server->sweep))
        ev_timer_again(server->loop, &server->sweep);
}

/* Restarts or ends (0) the limit on the client's request. */
/* NULL when memory was out. */
static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void set_since(struct MHD_Connection *connection, uint64_t since_ns)
{
    struct client *client = client_of(connection);
    if (client != NULL)
        client->since_ns = since_ns;
}

/*
 * A FIN that came together with the request is told to nobody once more: libmicrohttpd would wait for the next request
 * until its time is over.
 */
static bool has_ended(struct MHD_Connection *connection)
{
    const struct client *client = client_of(connection);
    char byte;
    return client != NULL && recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum MHD_Result send_answer(const struct door *door, struct exchange *exchange)
{
    exchange->is_last = door->is_ending || has_ended(exchange->connection);
    return exchange_send(exchange) ? MHD_YES : MHD_NO;
}

/* Answers the request, or has it wait: for its password to be looked at, or for master. */
static enum call_verdict admit(struct server *server, struct exchange *exchange,
                               const char *method, const char *path)
{
    exchange->is_asked = !exchange->is_control && !exchange_is_free(path) &&
                         accounts_are_asked(server->accounts);
    if (!exchange->is_asked)
        return exchange_dispatch(exchange, method, path, &server->actions);
    const char *header = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_AUTHORIZATION);
    exchange->method = strdup(method);
    exchange->path = strdup(path);
    enum account_verdict verdict = ACCOUNT_BUSY;
    if (exchange->method != NULL && exchange->path != NULL)
        verdict = accounts_check(server->accounts, header, &exchange->from, exchange,
                                 &exchange->account);
    if (verdict == ACCOUNT_WAITS)
        return CALL_WAITS;
    if (verdict == ACCOUNT_FINE)
        return exchange_dispatch(exchange, method, path, &server->actions);
    exchange_turn_away(exchange, verdict, exchange->account.retry_s);
    return CALL_ANSWERED;
}

/* Called when the head of a request is here, for each piece of its body, when it is whole, and after a wait. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *length, void **exchange_slot)
{
    struct door *door = context;
    struct server *server = door->server;
    struct exchange *exchange = *exchange_slot;
    if (exchange == NULL) {
        exchange = exchange_new(connection, door->kind == DOOR_CONTROL, ++server->last_ticket);
        *exchange_slot = exchange;
        if (exchange == NULL)
            return MHD_NO;
        exchange->server = server;
        return exchange_check(exchange, path, version) ? MHD_YES : send_answer(door, exchange);
    }
    if (*length > 0) {
        exchange_take(exchange, body, *length);
        *length = 0;
        return MHD_YES;
    }
    set_since(connection, 0);
    if (exchange->answer.status != 0)
        return send_answer(door, exchange);
    if (admit(server, exchange, method, path) == CALL_ANSWERED)
        return send_answer(door, exchange);
    list_append(&server->waiting, &exchange->node);
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_slot,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    const struct door *door = context;
    if (*exchange_slot != NULL)
        accounts_forget(door->server->accounts, *exchange_slot);
    exchange_free(*exchange_slot);
    *exchange_slot = NULL;
    set_since(connection, clock_now_ns());
}

/* Paths are compared as they came: a spelling with %HH is another path. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static void resume(struct exchange *exchange)
{
    list_remove(&exchange->node);
    MHD_resume_connection(exchange->connection);
}

static void run_doors(struct server *server)
{
    LIST_FOREACH(node, &server->doors)
        run_door(container_of(node, struct door, node));
}

/* A password has been looked at. The request goes on, or its answer says why not. */
static void on_account(void *owner, enum account_verdict verdict, const struct account *account)
{
    struct exchange *exchange = owner;
    struct server *server = exchange->server;
    exchange->account = *account;
    if (verdict != ACCOUNT_FINE)
        exchange_turn_away(exchange, verdict, account->retry_s);
    else if (exchange_dispatch(exchange, exchange->method, exchange->path, &server->actions) ==
             CALL_WAITS)
        return;
    resume(exchange);
    run_doors(server);
}

struct server *server_new(struct ev_loop *loop, const struct admin_actions *actions)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->loop = loop;
    server->actions = *actions;
    list_init(&server->doors);
    list_init(&server->clients);
    list_init(&server->waiting);
    ev_timer_init(&server->sweep, on_sweep, SWEEP_S, SWEEP_S);
    server->accounts = accounts_new(loop, on_account);
    if (server->accounts == NULL ||
        getrandom(&server->key, sizeof server->key, 0) != (ssize_t)sizeof server->key) {
        accounts_free(server->accounts);
        free(server);
        return NULL;
    }
    return server;
}

/* certificate  NULL = without TLS */
static struct MHD_Daemon *start_daemon(struct door *door,
                                       const struct model_certificate *certificate)
{
    unsigned int flags = MHD_USE_EPOLL | MHD_USE_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)SECURE_PRIORITIES},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (certificate != NULL) {
        flags |= MHD_USE_TLS;
        tls[1].ptr_value = (void *)(uintptr_t)certificate->chain.bytes;
        tls[2].ptr_value = (void *)(uintptr_t)certificate->key.bytes;
    } else {
        tls[0].option = MHD_OPTION_END;
    }
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, door, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)door->fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MOST,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)REQUEST_S, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, door, MHD_OPTION_NOTIFY_CONNECTION, on_connection, door,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static int begin_door(struct door *door, const struct model_certificate *certificate)
{
    errno = 0;
    door->daemon = start_daemon(door, certificate);
    if (door->daemon == NULL) {
        errno = errno != 0 ? errno : EIO;
        return -1;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ev_io_init(&door->watch, on_door_ready, info->epoll_fd, EV_READ);
    ev_timer_init(&door->timer, on_door_time, 0., 0.);
    ev_io_start(door->server->loop, &door->watch);
    run_door(door);
    return 0;
}

/* NULL with errno. The door is listed, and fd is its own. */
static struct door *add_door(struct server *server, int fd, enum door_kind kind)
{
    struct door *door = calloc(1, sizeof *door);
    if (door == NULL)
        return NULL;
    door->server = server;
    door->fd = fd;
    door->kind = kind;
    list_append(&server->doors, &door->node);
    return door;
}

int server_open_door(struct server *server, int fd, enum door_kind kind)
{
    struct door *door = add_door(server, fd, kind);
    int result = -1;
    if (door == NULL)
        close(fd);
    else if (sock_listen(fd, DOOR_BACKLOG) == 0)
        result = kind == DOOR_HTTPS ? 0 : begin_door(door, NULL);
    if (result != 0 && door != NULL) {
        int reason = errno;
        free_door(door);
        errno = reason;
    }
    return result;
}

/* Its socket goes to a new door, and it ends with the clients that stand in it. */
static struct door *replace_door(struct door *door)
{
    struct server *server = door->server;
    struct door *next = add_door(server, door->fd, door->kind);
    if (next == NULL)
        return NULL;
    (void)MHD_quiesce_daemon(door->daemon); /* gives the socket back, still listening */
    door->fd = -1;
    door->is_ending = true;
    ev_timer_again(server->loop, &server->sweep);
    return next;
}

void server_set_certificate(struct server *server, const struct model_certificate *certificate)
{
    const struct model_file *chain = &certificate->chain, *key = &certificate->key;
    if (chain->path[0] == '\0')
        return;
    uint64_t digest = hash_bytes(&server->key, chain->bytes, chain->length) ^
                      hash_bytes(&server->key, key->bytes, key->length) * 3;
    if (digest == server->shown)
        return;
    server->shown = digest;
    LIST_FOREACH_SAFE(node, after, &server->doors) {
        struct door *door = container_of(node, struct door, node);
        if (door->kind != DOOR_HTTPS || door->is_ending)
            continue;
        if (door->daemon != NULL)
            door = replace_door(door);
        if (door != NULL && begin_door(door, certificate) == 0)
            continue;
        log_error("HTTPS of an [admin] listen address cannot be had: %s", strerror(errno));
        server->shown = 0; /* the next configuration tries again */
    }
}

void server_answer(struct server *server, uint64_t ticket, const struct call_result *result)
{
    LIST_FOREACH_SAFE(node, after, &server->waiting) {
        struct exchange *exchange = container_of(node, struct exchange, node);
        if (exchange->ticket != ticket)
            continue;
        exchange_finish(exchange, result, &server->actions);
        resume(exchange);
        run_doors(server);
        return;
    }
}

/* libmicrohttpd may not be stopped while a connection is suspended. */
static void refuse_waiting(struct server *server)
{
    LIST_FOREACH_SAFE(node, after, &server->waiting) {
        struct exchange *exchange = container_of(node, struct exchange, node);
        answer_refusal(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "gaidaros is ending");
        resume(exchange);
    }
    run_doors(server);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    refuse_waiting(server);
    LIST_FOREACH_SAFE(node, after, &server->doors) {
        struct door *door = container_of(node, struct door, node);
        /* Quiescing takes the socket back, so that stopping does not shut it for master. */
        if (door->daemon != NULL && !door->is_ending)
            (void)MHD_quiesce_daemon(door->daemon);
        free_door(door);
    }
    ev_timer_stop(server->loop, &server->sweep);
    accounts_free(server->accounts);
    free(server);
}

void server_set_users(struct server *server, const struct model_admin *admin)
{
    accounts_set(server->accounts, admin);
}

/* SPDX-License-Identifier: MIT */
/* The doors: libmicrohttpd behind libev, on TCP listeners as on the control socket. */
#ifndef ADMIN_SERVER_H
#define ADMIN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/calls.h"

struct ev_loop;
struct server; /* opaque; owner: the director */

/*
 * actions  what the doors cannot do themselves; copied
 * Returns NULL with errno when memory is out.
 */
struct server *server_new(struct ev_loop *loop, const struct admin_actions *actions);

enum door_kind {
    DOOR_CONTROL, /* its file permissions are the authentication: every call is allowed */
    DOOR_HTTP,    /* users are asked for their password; while there are none it is read-only */
    DOOR_HTTPS    /* as well; who comes before there is a certificate waits for it */
};

/*
 * Serves a listening socket, which the server then owns; master's duplicate goes on living.
 * Returns 0, or -1 with errno (the socket is closed then).
 */
int server_open_door(struct server *server, int fd, enum door_kind kind);

/*
 * What doors of HTTPS show from now on; not needed any more when it returns. Where it is another than before, they are
 * begun anew on their sockets, so that no waiting client is lost; open connections end with the answer under way.
 */
void server_set_certificate(struct server *server, const struct model_certificate *certificate);

/* Who may open the doors from now on; copied. Before the first call nobody is asked. */
void server_set_users(struct server *server, const struct model_admin *admin);

/* Answers the call that waits with this ticket; does nothing when its caller has gone. */
void server_answer(struct server *server, uint64_t ticket, const struct call_result *result);

/* Refuses the calls that wait, closes all doors without shutting the sockets for master, frees all. NULL does nothing. */
void server_free(struct server *server);

#endif

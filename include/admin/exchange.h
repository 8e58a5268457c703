/* SPDX-License-Identifier: MIT */
/* One HTTP request with its answer, as libmicrohttpd hands it over. */
#ifndef ADMIN_EXCHANGE_H
#define ADMIN_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/accounts.h"
#include "admin/answer.h"
#include "admin/calls.h"
#include "admin/connections.h"
#include "base/list.h"

struct MHD_Connection;
struct server;

#define EXCHANGE_MOST_BODY 65536

/* Owner: the connection it came on; freed when libmicrohttpd says that it is completed. */
struct exchange {
    struct list_node node;             /* in the server's list while its call waits */
    struct MHD_Connection *connection; /* libmicrohttpd's */
    struct server *server;
    bool is_control; /* it came through the control socket */
    bool is_asked;   /* the door asks for a password: account says whose was right */
    struct account account;
    struct addr from;    /* AF_UNIX: the control socket's */
    char *method, *path; /* owned; kept for a request that waits for its password */
    uint64_t ticket;
    enum {
        AWAITS_CALL,
        AWAITS_LIST,
        AWAITS_OBJECT
    } awaits;                        /* what the answer to a wait is for */
    struct connection_filter filter; /* AWAITS_LIST */
    struct text body;                /* at most EXCHANGE_MOST_BODY of it */
    bool is_too_large;
    bool is_last; /* the connection ends with the answer */
    struct answer answer;
};

/* Returns NULL when memory is out. */
struct exchange *exchange_new(struct MHD_Connection *connection, bool is_control,
                              uint64_t ticket);

/* True when nobody is asked for a password for this path. */
bool exchange_is_free(const char *path);

/* Answers who is not let in. */
void exchange_turn_away(struct exchange *exchange, enum account_verdict verdict,
                        uint32_t retry_s);

/* Takes it out of the list it may be in; NULL does nothing. */
void exchange_free(struct exchange *exchange);

/*
 * Looks at what came before the body.
 * Returns false when it is refused at once: the answer is filled, and the connection ends with it.
 */
bool exchange_check(struct exchange *exchange, const char *path, const char *version);

/* Takes a piece of the body. */
void exchange_take(struct exchange *exchange, const char *bytes, size_t length);

/* Answers a request that has come whole; CALL_WAITS: the answer is filled by call_finish later. */
enum call_verdict exchange_dispatch(struct exchange *exchange, const char *method,
                                    const char *path, const struct admin_actions *actions);

/* What it has waited for has come: fills the answer. */
void exchange_finish(struct exchange *exchange, const struct call_result *result,
                     const struct admin_actions *actions);

/* Hands the filled answer to libmicrohttpd, whose storage it becomes. False when it cannot. */
bool exchange_send(struct exchange *exchange);

#endif

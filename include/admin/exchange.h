/* SPDX-License-Identifier: MIT */
/* One HTTP request with its answer, as libmicrohttpd hands it over. */
#ifndef ADMIN_EXCHANGE_H
#define ADMIN_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/answer.h"
#include "admin/calls.h"
#include "base/list.h"

struct MHD_Connection;

#define EXCHANGE_MOST_BODY 65536

/* Owner: the connection it came on; freed when libmicrohttpd says that it is completed. */
struct exchange {
    struct list_node node;             /* in the server's list while its call waits */
    struct MHD_Connection *connection; /* libmicrohttpd's */
    enum access access;                /* what the door allows */
    uint64_t ticket;
    struct text body; /* at most EXCHANGE_MOST_BODY of it */
    bool is_too_large;
    struct answer answer;
};

/* Returns NULL when memory is out. */
struct exchange *exchange_new(struct MHD_Connection *connection, enum access access,
                              uint64_t ticket);

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

/* Hands the filled answer to libmicrohttpd, whose storage it becomes. False when it cannot. */
bool exchange_send(struct exchange *exchange);

#endif

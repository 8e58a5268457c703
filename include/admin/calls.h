/* SPDX-License-Identifier: MIT */
/* THE table of /api calls: name, fields, access, handler. */
#ifndef ADMIN_CALLS_H
#define ADMIN_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/answer.h"
#include "admin/fields.h"
#include "admin/status.h"

/* What a caller may do. */
enum access { ACCESS_READONLY, ACCESS_FULL };

/* What the doors cannot do themselves; handed in once by the director. */
struct admin_actions {
    void *context;
    /* Takes one look at everything; false while there is no configuration yet. */
    bool (*look)(void *context, struct status *out);
    /*
     * Asks master for a reload; the answer comes later, by server_answer with this ticket.
     * Returns 0, or -1 with errno.
     */
    int (*reload)(void *context, uint64_t ticket);
    /* The same for opening the logs anew. */
    int (*reopen)(void *context, uint64_t ticket);
};

/* How a call that had to wait ended. */
struct call_result {
    bool is_ok;
    uint64_t generation;
    const char *message; /* the refusal's reasons when not ok */
};

enum call_verdict { CALL_ANSWERED, CALL_WAITS };

/* One call as it came in. */
struct call_request {
    const char *name;
    enum access access;
    const char *type; /* Content-Type or NULL */
    const char *body;
    size_t length;
    uint64_t ticket; /* names it in struct admin_actions, should it have to wait */
};

/*
 * Looks the call up, checks access and fields, does it.
 * Returns CALL_ANSWERED with answer filled, or CALL_WAITS: call_finish will fill it.
 */
enum call_verdict call_begin(const struct call_request *request,
                             const struct admin_actions *actions, struct answer *answer);

/* Fills the answer to a call that waited. */
void call_finish(const struct call_result *result, struct answer *answer);

#endif

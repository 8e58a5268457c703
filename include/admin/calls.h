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
#include "admin/viewer.h"
#include "conf/edit.h"

struct new_user {
    const char *name, *password;
    bool is_full;
    const char *by; /* who asks, for the log */
};

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
    /* Asks master to open the logs anew; as reload. */
    int (*reopen)(void *context, uint64_t ticket);
    /*
     * Asks for a change to the structure; as reload. The edit is copied.
     */
    int (*propose)(void *context, uint64_t ticket, const struct edit *edit);
    /*
     * Asks the worker that has a connection to end it, or to tell all about it (the message is then the inside of a JSON
     * object); as reload, but with errno ENOENT when there is no such connection.
     */
    int (*kill)(void *context, uint64_t ticket, uint64_t id);
    int (*why)(void *context, uint64_t ticket, uint64_t id);
    /* Has every worker write down what its connections have moved; as reload. */
    int (*traffic)(void *context, uint64_t ticket);
    /*
     * Has every worker note for 1 to 60 seconds where its time goes (the message is then the inside of a JSON
     * object); as reload, but with errno EBUSY while another one is under way.
     */
    int (*profile)(void *context, uint64_t ticket, uint32_t seconds);
    /* Hashes the password on a thread, then proposes the user; as reload. The strings are copied. */
    int (*add_user)(void *context, uint64_t ticket, const struct new_user *user);
    /* Asks master to write the running configuration to its files; as reload. */
    int (*save)(void *context, uint64_t ticket);
    /* Tells master to end as by TERM. */
    void (*shutdown)(void *context);
    /* Rows were changed: whoever waits for such a change is told. */
    void (*changed)(void *context);
};

/* How a call that had to wait ended. */
struct call_result {
    bool is_ok;
    unsigned int status; /* of HTTP; 0 = 200 when ok, else 409 */
    uint64_t generation;
    const char *message; /* the refusal's reasons when not ok */
};

enum call_verdict { CALL_ANSWERED, CALL_WAITS };

/* One call as it came in. */
struct call_request {
    const char *name;
    enum access access;
    bool is_asked;    /* the door asks for a password */
    const char *by;   /* who makes it, for the log */
    const char *type; /* Content-Type or NULL */
    const char *body;
    size_t length;
    uint64_t ticket; /* names it in struct admin_actions, should it have to wait */
};

/* What a row of the table does; fields are those it names. */
typedef enum call_verdict call_handler(const struct call_request *request,
                                       const struct fields *fields,
                                       const struct admin_actions *actions,
                                       struct answer *answer);

/*
 * Looks the call up, checks access and fields, does it.
 * Returns CALL_ANSWERED with answer filled, or CALL_WAITS: call_finish will fill it.
 */
enum call_verdict call_begin(const struct call_request *request,
                             const struct admin_actions *actions, struct answer *answer);

/* What master has to do was asked for: waits for it, or says why it could not be asked (asked: -1 with errno). */
enum call_verdict call_wait(const struct call_request *request, int asked,
                            struct answer *answer);

/* A connection's id in decimal digits; 0 is none. */
bool call_parse_id(const char *text, uint64_t *id);

/* Fills the answer to a call that waited. */
void call_finish(const struct call_result *result, struct answer *answer);

#endif

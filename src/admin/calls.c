/* SPDX-License-Identifier: MIT */
/* The table of /api calls, read by one loop. */
#include "admin/calls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/restructure.h"
#include "admin/show.h"
#include "admin/steer.h"
#include "base/log.h"
#include "ctl/words.h"

enum {
    OK = 200,
    BAD_REQUEST = 400,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    CONFLICT = 409,
    BUSY = 503
};

struct call {
    const char *name;
    const char *fields; /* names with blanks between them; those in [] may be left out */
    enum access access; /* the least that may call it */
    call_handler *run;  /* NULL: a call of a later version */
};

enum call_verdict call_wait(const struct call_request *request, int asked,
                            struct answer *answer)
{
    if (asked == 0)
        return CALL_WAITS;
    answer_refusal(answer, BUSY, "%s: master cannot be asked: %s", request->name,
                   strerror(errno));
    return CALL_ANSWERED;
}

static enum call_verdict run_reload(const struct call_request *request,
                                    const struct fields *fields,
                                    const struct admin_actions *actions, struct answer *answer)
{
    (void)fields;
    log_info("reload, by %s", request->by);
    int asked = actions->reload(actions->context, request->ticket);
    return call_wait(request, asked, answer);
}

static enum call_verdict run_close_log(const struct call_request *request,
                                       const struct fields *fields,
                                       const struct admin_actions *actions,
                                       struct answer *answer)
{
    (void)fields;
    log_info("closeLog, by %s", request->by);
    int asked = actions->reopen(actions->context, request->ticket);
    return call_wait(request, asked, answer);
}

static enum call_verdict run_save(const struct call_request *request,
                                  const struct fields *fields,
                                  const struct admin_actions *actions, struct answer *answer)
{
    (void)fields;
    log_info("saveConfig, by %s", request->by);
    return call_wait(request, actions->save(actions->context, request->ticket), answer);
}

bool call_parse_id(const char *text, uint64_t *id)
{
    size_t digits = strspn(text, "0123456789");
    errno = 0;
    *id = digits > 0 ? strtoull(text, NULL, 10) : 0;
    return digits > 0 && text[digits] == '\0' && errno == 0 && *id != 0;
}

static enum call_verdict run_kill(const struct call_request *request,
                                  const struct fields *fields,
                                  const struct admin_actions *actions, struct answer *answer)
{
    const char *text = fields_find(fields, "id");
    uint64_t id;
    if (!call_parse_id(text, &id)) {
        answer_refusal(answer, BAD_REQUEST, "%s: '%.32s' is no connection's id", request->name,
                       text);
        return CALL_ANSWERED;
    }
    int asked = actions->kill(actions->context, request->ticket, id);
    if (asked != 0 && errno == ENOENT) {
        answer_refusal(answer, NOT_FOUND, "connection %" PRIu64 " is not open", id);
        return CALL_ANSWERED;
    }
    log_info("%s %" PRIu64 ", by %s", request->name, id, request->by);
    return call_wait(request, asked, answer);
}

/* Ends what it answers with: the answer is on its way before master hears of it, and the door is emptied at the end. */
static enum call_verdict run_shutdown(const struct call_request *request,
                                      const struct fields *fields,
                                      const struct admin_actions *actions,
                                      struct answer *answer)
{
    (void)fields;
    log_info("shutdown, by %s", request->by);
    answer_done(answer, "the daemon ends: open connections have drain_timeout");
    actions->shutdown(actions->context);
    return CALL_ANSWERED;
}

/* clang-format off */
#define CALL_NOW(call, handler, fields, says) {#call, fields, ACCESS_FULL, handler},
#define CALL_LATER(call, fields)              {#call, fields, ACCESS_FULL, NULL},
static const struct call calls[] = {CALL_WORDS(CALL_NOW, CALL_LATER)};
/* clang-format on */

#define N_CALLS (sizeof calls / sizeof *calls)

static const struct call *call_find(const char *name)
{
    for (size_t i = 0; i < N_CALLS; i++) {
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    }
    return NULL;
}

static void refuse_unknown(const char *name, struct answer *answer)
{
    const char *names[N_CALLS];
    for (size_t i = 0; i < N_CALLS; i++)
        names[i] = calls[i].name;
    const char *nearest = text_nearest(name, names, N_CALLS);
    answer->is_unknown_call = true;
    if (nearest != NULL)
        answer_refusal(answer, NOT_FOUND, "unknown call '%.64s'; did you mean '%s'?", name,
                       nearest);
    else
        answer_refusal(answer, NOT_FOUND, "unknown call '%.64s'", name);
}

/* The next name of a list of fields; *at moves behind it. Its length is 0 at the end. */
static size_t next_field(const char **at, const char **name, bool *is_optional)
{
    *at += strspn(*at, " ");
    *is_optional = **at == '[';
    *name = *at + (*is_optional ? 1 : 0);
    size_t length = strcspn(*name, " ]");
    *at += strcspn(*at, " ");
    return length;
}

static bool takes_field(const struct call *call, const char *wanted)
{
    const char *at = call->fields, *name;
    bool is_optional;
    for (size_t length; (length = next_field(&at, &name, &is_optional)) > 0;) {
        if (strlen(wanted) == length && memcmp(wanted, name, length) == 0)
            return true;
    }
    return false;
}

/* True when every field that is there is known, every one that must be there is. */
static bool check_fields(const struct call *call, const struct fields *fields,
                         struct answer *answer)
{
    for (size_t i = 0; i < fields->n; i++) {
        if (!takes_field(call, fields->at[i].name)) {
            answer_refusal(answer, BAD_REQUEST, "%s: takes no field '%.64s'", call->name,
                           fields->at[i].name);
            return false;
        }
    }
    const char *at = call->fields, *name;
    bool is_optional;
    for (size_t length; (length = next_field(&at, &name, &is_optional)) > 0;) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
        if (!is_optional && fields_find(fields, wanted) == NULL) {
            answer_refusal(answer, BAD_REQUEST, "%s: field '%s' is missing", call->name,
                           wanted);
            return false;
        }
    }
    return true;
}

enum call_verdict call_begin(const struct call_request *request,
                             const struct admin_actions *actions, struct answer *answer)
{
    const struct call *call = call_find(request->name);
    if (call == NULL) {
        refuse_unknown(request->name, answer);
        return CALL_ANSWERED;
    }
    if (request->access < call->access) {
        answer_refusal(answer, FORBIDDEN,
                       request->is_asked
                           ? "%s: this is for users with access full"
                           : "%s: this door is read-only; changes go by the control socket, "
                             "as gaidarosctl makes them",
                       call->name);
        return CALL_ANSWERED;
    }
    if (call->run == NULL) {
        answer_refusal(answer, NOT_FOUND, "%s: not yet supported", call->name);
        return CALL_ANSWERED;
    }

    struct fields fields;
    const char *why = "";
    unsigned int refused =
        fields_parse(&fields, request->type, request->body, request->length, &why);
    if (refused != 0) {
        answer_refusal(answer, refused, "%s: %s", call->name, why);
        return CALL_ANSWERED;
    }
    enum call_verdict verdict = CALL_ANSWERED;
    if (check_fields(call, &fields, answer))
        verdict = call->run(request, &fields, actions, answer);
    fields_fini(&fields);
    return verdict;
}

void call_finish(const struct call_result *result, struct answer *answer)
{
    if (!result->is_ok) {
        answer_refusal(answer, result->status != 0 ? result->status : CONFLICT, "%s",
                       result->message);
        return;
    }
    answer->status = OK;
    answer->type = ANSWER_JSON;
    text_clear(&answer->body);
    text_printf(&answer->body,
                "{\"ok\":true,\"generation\":%" PRIu64 ",\"message\":", result->generation);
    text_add_json(&answer->body, result->message);
    text_add(&answer->body, "}\n");
}

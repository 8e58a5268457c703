/* SPDX-License-Identifier: MIT */
/* The calls that change the structure: hosts, groups, services, users. */
#include "admin/restructure.h"

#include <stddef.h>
#include <string.h>

#include "conf/users.h"

enum { BAD_REQUEST = 400, MOST_BYTES = 4096, PASSWORD_MOST = 500 };

/* A field that becomes part of a line of the configuration. */
static bool check_line(const struct call_request *request, const char *name, const char *value,
                       bool is_word, struct answer *answer)
{
    const char *why = NULL;
    if (*value == '\0')
        why = "is empty";
    else if (strlen(value) > MOST_BYTES)
        why = "is too long";
    else if (is_word && strpbrk(value, " \t\"") != NULL)
        why = "is one word without blanks and quotes";
    for (const char *c = value; why == NULL && *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            why = "holds a control byte";
    if (why != NULL)
        answer_refusal(answer, BAD_REQUEST, "%s: field '%s' %s", request->name, name, why);
    return why == NULL;
}

static enum call_verdict propose(const struct call_request *request,
                                 const struct fields *fields,
                                 const struct admin_actions *actions, struct answer *answer,
                                 struct edit *edit)
{
    edit->service = fields_find(fields, "service");
    edit->group = fields_find(fields, "group");
    edit->name = fields_find(fields, "name");
    edit->by = request->by;
    return call_wait(request, actions->propose(actions->context, request->ticket, edit),
                     answer);
}

enum call_verdict edit_add_host(const struct call_request *request, const struct fields *fields,
                                const struct admin_actions *actions, struct answer *answer)
{
    static const char *const options[] = {"weight", "max_connections", "slow_start", "check"};
    struct text value = {0};
    const char *address = fields_find(fields, "address");
    bool is_fine = check_line(request, "address", address, true, answer);
    text_add(&value, address);
    for (size_t i = 0; is_fine && i < sizeof options / sizeof *options; i++) {
        const char *given = fields_find(fields, options[i]);
        if (given == NULL)
            continue;
        is_fine = check_line(request, options[i], given, true, answer);
        text_printf(&value, " %s=%s", options[i], given);
    }
    enum call_verdict verdict = CALL_ANSWERED;
    if (is_fine)
        verdict = propose(
            request, fields, actions, answer,
            &(struct edit){.kind = EDIT_ADD_HOST, .value = value.at != NULL ? value.at : ""});
    text_fini(&value);
    return verdict;
}

/* An edit whose value is one field as it stands. */
static enum call_verdict propose_field(const struct call_request *request,
                                       const struct fields *fields,
                                       const struct admin_actions *actions,
                                       struct answer *answer, enum edit_kind kind,
                                       const char *field, bool is_word)
{
    struct edit edit = {.kind = kind, .value = fields_find(fields, field)};
    if (!check_line(request, field, edit.value, is_word, answer))
        return CALL_ANSWERED;
    return propose(request, fields, actions, answer, &edit);
}

enum call_verdict edit_change_scheduler(const struct call_request *request,
                                        const struct fields *fields,
                                        const struct admin_actions *actions,
                                        struct answer *answer)
{
    return propose_field(request, fields, actions, answer, EDIT_CHANGE_SCHEDULER, "scheduler",
                         true);
}

enum call_verdict edit_new_group(const struct call_request *request,
                                 const struct fields *fields,
                                 const struct admin_actions *actions, struct answer *answer)
{
    return propose_field(request, fields, actions, answer, EDIT_NEW_GROUP, "scheduler", true);
}

enum call_verdict edit_new_service(const struct call_request *request,
                                   const struct fields *fields,
                                   const struct admin_actions *actions, struct answer *answer)
{
    return propose_field(request, fields, actions, answer, EDIT_NEW_SERVICE, "listen", false);
}

enum call_verdict edit_delete_host(const struct call_request *request,
                                   const struct fields *fields,
                                   const struct admin_actions *actions, struct answer *answer)
{
    return propose(request, fields, actions, answer, &(struct edit){.kind = EDIT_DELETE_HOST});
}

enum call_verdict edit_delete_all_hosts(const struct call_request *request,
                                        const struct fields *fields,
                                        const struct admin_actions *actions,
                                        struct answer *answer)
{
    return propose(request, fields, actions, answer,
                   &(struct edit){.kind = EDIT_DELETE_ALL_HOSTS});
}

enum call_verdict edit_delete_group(const struct call_request *request,
                                    const struct fields *fields,
                                    const struct admin_actions *actions, struct answer *answer)
{
    return propose(request, fields, actions, answer, &(struct edit){.kind = EDIT_DELETE_GROUP});
}

enum call_verdict edit_delete_service(const struct call_request *request,
                                      const struct fields *fields,
                                      const struct admin_actions *actions,
                                      struct answer *answer)
{
    return propose(request, fields, actions, answer,
                   &(struct edit){.kind = EDIT_DELETE_SERVICE});
}

enum call_verdict edit_delete_user(const struct call_request *request,
                                   const struct fields *fields,
                                   const struct admin_actions *actions, struct answer *answer)
{
    return propose(request, fields, actions, answer, &(struct edit){.kind = EDIT_DELETE_USER});
}

enum call_verdict edit_add_user(const struct call_request *request, const struct fields *fields,
                                const struct admin_actions *actions, struct answer *answer)
{
    struct new_user user = {.name = fields_find(fields, "name"),
                            .password = fields_find(fields, "password"),
                            .by = request->by};
    const char *access = fields_find(fields, "access");
    user.is_full = strcmp(access, "full") == 0;
    if (!users_is_name(user.name))
        answer_refusal(answer, BAD_REQUEST,
                       "%s: a user's name is one word of up to 49 bytes, without quotes, ':' "
                       "and '#'",
                       request->name);
    else if (!user.is_full && strcmp(access, "readonly") != 0)
        answer_refusal(answer, BAD_REQUEST, "%s: access is full or readonly", request->name);
    else if (*user.password == '\0' || strlen(user.password) > PASSWORD_MOST)
        answer_refusal(answer, BAD_REQUEST, "%s: a password has 1 to %d bytes", request->name,
                       PASSWORD_MOST);
    else
        return call_wait(request, actions->add_user(actions->context, request->ticket, &user),
                         answer);
    return CALL_ANSWERED;
}

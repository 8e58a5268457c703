/* SPDX-License-Identifier: MIT */
/* What the doors ask of the director, and how master's answers find those who asked. */
#include "director/desk.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/editcode.h"
#include "director/parts.h"

static bool look(void *context, struct status *out)
{
    const struct director *d = context;
    if (d->current.model == NULL)
        return false;
    *out = (struct status){
        .model = d->current.model,
        .written = d->current.written != NULL ? d->current.written : d->current.model,
        .rows = &d->current.rows,
        .segment = &d->segment,
        .is_draining = d->is_draining,
        .now_ns = clock_now_ns(),
        .wall_ns = clock_wall_ns(),
        .expiries = &d->current.expiries,
        .lines_lost = atomic_load(&d->segment.daemon->lines_lost),
        .reload = d->reload.wall_ns != 0 ? &d->reload : NULL,
    };
    return true;
}

static int ask_reload(void *context, uint64_t ticket)
{
    const struct message message = {.kind = MSG_RELOAD, .number = ticket};
    return director_say(context, &message, NULL, -1);
}

static int ask_reopen(void *context, uint64_t ticket)
{
    const struct message message = {.kind = MSG_REOPEN, .number = ticket};
    return director_say(context, &message, NULL, -1);
}

static int ask_save(void *context, uint64_t ticket)
{
    const struct message message = {.kind = MSG_SAVE, .number = ticket};
    return director_say(context, &message, NULL, -1);
}

static int propose(void *context, uint64_t ticket, const struct edit *edit)
{
    struct director *d = context;
    struct message message = {.kind = MSG_PROPOSE, .number = ticket};
    struct text bytes = {0};
    edit_encode(&bytes, edit);
    int result = -1;
    if (bytes.failed)
        errno = ENOMEM;
    else
        result = director_say_bytes(d, &message, bytes.at, bytes.length, -1);
    text_fini(&bytes);
    return result;
}

static int ask_about(struct director *d, uint64_t ticket, enum slate_kind kind, uint64_t id)
{
    if (d->current.model != NULL)
        return inquiry_about(d->inquiries, ticket, kind, id);
    errno = EAGAIN;
    return -1;
}

static int ask_kill(void *context, uint64_t ticket, uint64_t id)
{
    return ask_about(context, ticket, SLATE_KILL, id);
}

static int ask_why(void *context, uint64_t ticket, uint64_t id)
{
    return ask_about(context, ticket, SLATE_WHY, id);
}

static int ask_traffic(void *context, uint64_t ticket)
{
    struct director *d = context;
    if (d->current.model != NULL)
        return inquiry_of_all(d->inquiries, ticket);
    errno = EAGAIN;
    return -1;
}

static int ask_profile(void *context, uint64_t ticket, uint32_t seconds)
{
    struct director *d = context;
    if (d->current.model != NULL)
        return profiler_begin(d->profiler, ticket, seconds);
    errno = EAGAIN;
    return -1;
}

void desk_take_profile(void *owner, uint64_t ticket, const char *text)
{
    struct director *d = owner;
    const struct call_result result = {.is_ok = text != NULL,
                                       .status = text != NULL ? 0 : 503,
                                       .message = text != NULL ? text : "out of memory"};
    server_answer(d->server, ticket, &result);
}

void desk_take_inquiry(void *owner, uint64_t ticket, enum inquiry_end end, const char *text)
{
    struct director *d = owner;
    struct call_result result = {.is_ok = end == INQUIRY_DONE, .message = text};
    if (d->current.model != NULL)
        result.generation = d->current.generation;
    if (end == INQUIRY_NO_SUCH) {
        result.status = 404;
        result.message = "the connection is not open any more";
    } else if (end == INQUIRY_SILENT) {
        result.message = "its worker does not answer";
    } else if (*text == '\0') {
        result.message = "ended";
    }
    server_answer(d->server, ticket, &result);
}

/* A password on its way to the thread that hashes it, and back. */
struct hashing {
    struct director *d;
    uint64_t ticket;
    char *name, *password, *by; /* owned */
    bool is_full;
    char hash[CRYPT_OUTPUT_SIZE];
};

static void free_hashing(struct hashing *job)
{
    if (job->password != NULL)
        explicit_bzero(job->password, strlen(job->password));
    free(job->password);
    free(job->name);
    free(job->by);
    free(job);
}

/* On the thread. The hash stays empty when it cannot be made. */
static void hash_password(void *argument)
{
    struct hashing *job = argument;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data != NULL && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting) != NULL) {
        const char *made = crypt_r(job->password, setting, data);
        if (made != NULL && made[0] != '*')
            snprintf(job->hash, sizeof job->hash, "%s", made);
    }
    if (data != NULL)
        explicit_bzero(data, sizeof *data);
    free(data);
}

static void on_password_hashed(void *argument)
{
    struct hashing *job = argument;
    struct text value = {0};
    text_printf(&value, "%s %s", job->hash, job->is_full ? "full" : "readonly");
    const struct edit edit = {
        .kind = EDIT_ADD_USER, .name = job->name, .value = value.at, .by = job->by};
    const struct call_result failed = {.status = 500,
                                       .message = "the password cannot be hashed"};
    bool is_fine = job->hash[0] != '\0' && !value.failed;
    if (!is_fine || propose(job->d, job->ticket, &edit) != 0)
        server_answer(job->d->server, job->ticket, &failed);
    text_fini(&value);
    free_hashing(job);
}

static int add_user(void *context, uint64_t ticket, const struct new_user *user)
{
    struct director *d = context;
    struct hashing *job = calloc(1, sizeof *job);
    if (job == NULL)
        return -1;
    *job = (struct hashing){.d = d,
                            .ticket = ticket,
                            .name = strdup(user->name),
                            .password = strdup(user->password),
                            .by = strdup(user->by),
                            .is_full = user->is_full};
    if (job->name != NULL && job->password != NULL && job->by != NULL &&
        task_submit(d->tasks, hash_password, on_password_hashed, job) == 0)
        return 0;
    free_hashing(job);
    errno = ENOMEM;
    return -1;
}

static void ask_shutdown(void *context)
{
    const struct message message = {.kind = MSG_SHUTDOWN};
    (void)director_say(context, &message, NULL, -1);
}

/* A pick looks at the rows by itself; who waits for a host or has connections to close must be woken. */
static void tell_of_change(void *context)
{
    struct director *d = context;
    atomic_fetch_add(&d->segment.daemon->change, 1);
    bells_ring_all(&d->bells);
}

/* The message's text, NUL-terminated, with an end cut that would only be a blank line. */
static char *text_of(const struct received *message)
{
    char *text = strndup((const char *)message->payload, message->length);
    size_t length = text != NULL ? strlen(text) : 0;
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    return text;
}

void desk_take_result(struct director *d, const struct received *message)
{
    char *text = text_of(message);
    const struct call_result result = {
        .is_ok = message->head.flag == 1,
        .status = message->head.flag > 1 ? message->head.flag : 0,
        .generation = message->head.generation,
        .message = text != NULL ? text : "",
    };
    server_answer(d->server, message->head.number, &result);
    free(text);
}

void desk_take_reloaded(struct director *d, const struct received *message)
{
    free(d->reload_message);
    d->reload_message = text_of(message);
    d->reload = (struct status_reload){
        .is_ok = message->head.flag != 0,
        .wall_ns = (int64_t)message->head.number,
        .message = d->reload_message != NULL ? d->reload_message : "",
    };
}

void desk_actions(struct admin_actions *out, struct director *d)
{
    *out = (struct admin_actions){
        .context = d,
        .look = look,
        .reload = ask_reload,
        .reopen = ask_reopen,
        .propose = propose,
        .kill = ask_kill,
        .why = ask_why,
        .traffic = ask_traffic,
        .profile = ask_profile,
        .add_user = add_user,
        .save = ask_save,
        .shutdown = ask_shutdown,
        .changed = tell_of_change,
    };
}

void desk_fini(struct director *d)
{
    free(d->reload_message);
    d->reload_message = NULL;
}

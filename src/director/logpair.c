/* SPDX-License-Identifier: MIT */
/* The two logs that the director writes for all processes: messages, and the access log. */
#include "director/logpair.h"

#include <string.h>

#include "base/log.h"

static void tell_of(struct log_end *end)
{
    if (end->writer == NULL)
        return;
    struct log_writer_health health = log_writer_health(end->writer);
    if (health.error != 0 && end->error_told == 0)
        log_error("%s: lines are being lost: %s", end->word, strerror(health.error));
    if (health.error == 0 && end->error_told != 0)
        log_warning("%s: is written again, %llu lines were lost", end->word,
                    (unsigned long long)(health.lost - end->lost_told));
    if (health.error == 0)
        end->lost_told = health.lost;
    end->error_told = health.error;
}

static void on_changed(struct ev_loop *loop, struct ev_async *watch, int events)
{
    (void)loop;
    (void)events;
    struct logpair *pair = watch->data;
    tell_of(&pair->log);
    tell_of(&pair->access);
}

/* Runs on a writer's thread. */
static void on_writer_change(void *context)
{
    struct logpair *pair = context;
    ev_async_send(pair->loop, &pair->changed);
}

void logpair_init(struct logpair *pair, struct ev_loop *loop)
{
    *pair = (struct logpair){.loop = loop,
                             .log = {.word = "log", .kind = "log"},
                             .access = {.word = "access log", .kind = "access"}};
    ev_async_init(&pair->changed, on_changed);
    pair->changed.data = pair;
    ev_async_start(loop, &pair->changed);
}

int logpair_start(struct logpair *pair, int log_fd, int access_fd, _Atomic uint64_t *lost)
{
    pair->log.writer = log_writer_new(log_fd, lost, on_writer_change, pair);
    if (pair->log.writer == NULL)
        return -1;
    pair->access.writer = log_writer_new(access_fd, lost, on_writer_change, pair);
    return pair->access.writer != NULL ? 0 : -1;
}

static void set_sink(struct log_end *end, int fd, int facility)
{
    struct line_sink sink = {.kind = LINES_UNWANTED};
    if (fd >= 0 && facility >= 0)
        line_sink_to_server(&sink, fd, facility, end->kind);
    else if (fd >= 0)
        line_sink_to_fd(&sink, fd);
    else if (facility >= 0)
        line_sink_to_syslog(&sink, facility, "/dev/log");
    log_writer_set_sink(end->writer, &sink);
}

void logpair_take(struct logpair *pair, struct received *message)
{
    struct logs logs;
    if (message->length != sizeof logs || pair->log.writer == NULL) {
        log_error("master sent logs that are none");
        return;
    }
    memcpy(&logs, message->payload, sizeof logs);
    int next = 0;
    int log_fd_taken = logs.has_log_sink ? channel_take_fd(message, &next) : -1;
    int access_fd_taken = logs.has_access_sink ? channel_take_fd(message, &next) : -1;
    set_sink(&pair->log, log_fd_taken, logs.log_facility);
    set_sink(&pair->access, access_fd_taken, logs.access_facility);
}

void logpair_fini(struct logpair *pair)
{
    if (pair->loop == NULL)
        return;
    log_writer_finish(pair->access.writer);
    log_writer_finish(pair->log.writer);
    ev_async_stop(pair->loop, &pair->changed);
}

/* SPDX-License-Identifier: MIT */
/* The access log of a worker: one line per ended connection, written in batches to a pipe. */
#include "relay/accesslog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "relay/admit.h"
#include "relay/generation.h"

enum { LINE_BYTES = 1024 };

void access_log_flush(struct access_log *log)
{
    if (log->length == 0)
        return;
    ssize_t n = write(log->fd, log->bytes, log->length);
    if (n == (ssize_t)log->length)
        atomic_fetch_add_explicit(&log->daemon->access_lines, log->lines, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&log->daemon->access_dropped, log->lines,
                                  memory_order_relaxed);
    log->length = 0;
    log->lines = 0;
}

/* What both formats show; names are checked by the configuration: they need no escaping. */
struct line {
    char time[CLOCK_TEXT_BYTES], client[ADDR_TEXT_BYTES];
    const char *service, *group, *host, *status;
    uint64_t bytes_in, bytes_out, connect_ms, duration_ms;
};

static const char text_format[] =
    "%s %s %s %s %s status=%s bytes_in=%" PRIu64 " bytes_out=%" PRIu64 " connect_ms=%" PRIu64
    " duration_ms=%" PRIu64 " sni=-\n";
static const char json_format[] =
    "{\"time\":\"%s\",\"client\":\"%s\",\"service\":\"%s\",\"group\":\"%s\",\"host\":\"%s\","
    "\"status\":\"%s\",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
    ",\"connect_ms\":%" PRIu64 ",\"duration_ms\":%" PRIu64 ",\"sni\":\"\"}\n";

static void fill(struct line *line, const struct conn *c)
{
    const struct group *group = &c->way->line->group;

    clock_print_utc(line->time, clock_wall_ns());
    struct addr client;
    admit_read_client(c, &client);
    addr_print(line->client, &client);
    line->service = c->service->model->name;
    line->group = group->model->name;
    line->host = c->has_claim ? group->hosts[c->target].model->name : "-";
    line->status = outcome_word(c->outcome);
    line->bytes_in = c->client.in_bytes;
    line->bytes_out = c->host.in_bytes;
    line->connect_ms = c->connect_ns / CLOCK_NS_PER_MS;
    line->duration_ms = (clock_now_ns() - c->since_ns) / CLOCK_NS_PER_MS;
}

void access_log_add(struct access_log *log, const struct conn *c)
{
    const struct model_global *global = &c->generation->model->global;
    struct line line;
    char bytes[LINE_BYTES];

    if (global->access_log.kind == LOGS_OFF || log->fd < 0)
        return;
    fill(&line, c);
    int n = snprintf(bytes, sizeof bytes,
                     global->access_format == ACCESS_JSON ? json_format : text_format,
                     line.time, line.client, line.service, line.group, line.host, line.status,
                     line.bytes_in, line.bytes_out, line.connect_ms, line.duration_ms);
    if (n < 0 || (size_t)n >= sizeof bytes)
        return;
    if (log->length + (size_t)n > sizeof log->bytes)
        access_log_flush(log);
    memcpy(log->bytes + log->length, bytes, (size_t)n);
    log->length += (size_t)n;
    log->lines++;
}

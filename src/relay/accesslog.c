/* SPDX-License-Identifier: MIT */
/* The access log of a worker: a line for each connection that ends, begins or goes on, written in batches to a pipe. */
#include "relay/accesslog.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "relay/admit.h"
#include "relay/generation.h"
#include "tls/revocation.h"

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

/* What both formats show. */
struct line {
    char time[CLOCK_TEXT_BYTES], client[ADDR_TEXT_BYTES];
    const char *service, *group, *host, *status;
    const char *sni;     /* letters, digits, dots, '-' and '_' alone */
    const char *subject; /* NULL = clients of the service show no certificates */
    const char *refused; /* NULL = nothing of revocation was against the client */
    uint64_t bytes_in, bytes_out, connect_ms, duration_ms;
    uint64_t id; /* 0 = not told: each connection has one line alone */
};

/* Blanks would end the value. */
static void add_subject(struct text *out, const char *subject)
{
    struct text escaped = {0};
    text_add_escaped(&escaped, subject);
    text_add(out, " client_certificate=");
    for (const char *at = escaped.at; at != NULL && *at != '\0'; at++)
        text_add(out, *at == ' ' ? "\\x20" : (const char[]){*at, '\0'});
    if (escaped.length == 0)
        text_add(out, "-");
    out->failed |= escaped.failed;
    text_fini(&escaped);
}

static void print_text(struct text *out, const struct line *line)
{
    text_printf(out,
                "%s %s %s %s %s status=%s bytes_in=%" PRIu64 " bytes_out=%" PRIu64
                " connect_ms=%" PRIu64 " duration_ms=%" PRIu64 " sni=%s",
                line->time, line->client, line->service, line->group, line->host, line->status,
                line->bytes_in, line->bytes_out, line->connect_ms, line->duration_ms,
                line->sni[0] != '\0' ? line->sni : "-");
    if (line->subject != NULL)
        add_subject(out, line->subject);
    if (line->refused != NULL)
        text_printf(out, " refused=%s", line->refused);
    if (line->id != 0)
        text_printf(out, " id=%" PRIu64, line->id);
    text_add(out, "\n");
}

/* A name is any bytes but blanks and control characters, so it may hold quotes and no UTF-8. */
static void print_json(struct text *out, const struct line *line)
{
    text_printf(out, "{\"time\":\"%s\",\"client\":\"%s\",\"service\":", line->time,
                line->client);
    text_add_json(out, line->service);
    text_add(out, ",\"group\":");
    text_add_json(out, line->group);
    text_add(out, ",\"host\":");
    text_add_json(out, line->host);
    text_printf(out,
                ",\"status\":\"%s\",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
                ",\"connect_ms\":%" PRIu64 ",\"duration_ms\":%" PRIu64 ",\"sni\":\"%s\"",
                line->status, line->bytes_in, line->bytes_out, line->connect_ms,
                line->duration_ms, line->sni);
    if (line->subject != NULL) {
        text_add(out, ",\"client_certificate\":");
        text_add_json(out, line->subject);
    }
    if (line->refused != NULL)
        text_printf(out, ",\"refused\":\"%s\"", line->refused);
    if (line->id != 0)
        text_printf(out, ",\"id\":%" PRIu64, line->id);
    text_add(out, "}\n");
}

/* Of a connection with several lines: what they have in common. */
static uint64_t id_of(const struct conn *c)
{
    const struct model_global *global = &c->generation->model->global;
    bool has_more = global->access_start || global->access_interval_ms > 0;
    return has_more ? atomic_load_explicit(&admit_row(c)->id, memory_order_relaxed) : 0;
}

static const char *const refused_words[] = {[TLS_BLAME_OTHER] = NULL,
                                            [TLS_BLAME_REVOKED] = "revoked",
                                            [TLS_BLAME_STALE] = "stale_list",
                                            [TLS_BLAME_UNANSWERED] = "no_ocsp_answer"};

static void fill(struct line *line, const struct conn *c)
{
    const struct group *group = &c->way->line->group;

    line->id = id_of(c);
    clock_print_utc(line->time, clock_wall_ns());
    struct addr client;
    admit_read_client(c, &client);
    addr_print(line->client, &client);
    line->service = c->service->model->name;
    line->group = group->model->name;
    line->host = c->has_claim ? group->hosts[c->target].model->name : "-";
    line->status = outcome_word(c->outcome);
    line->sni = c->sni != NULL ? c->sni : "";
    line->subject = c->service->model->client_verify == CLIENT_VERIFY_NONE ? NULL
                    : c->subject != NULL                                   ? c->subject
                                                                           : "";
    line->refused = refused_words[c->blame];
    line->bytes_in = c->client.in_bytes;
    line->bytes_out = c->host.in_bytes;
    line->connect_ms = c->connect_ns / CLOCK_NS_PER_MS;
    line->duration_ms = (clock_now_ns() - c->since_ns) / CLOCK_NS_PER_MS;
}

void access_log_add(struct access_log *log, const struct conn *c)
{
    const struct model_global *global = &c->generation->model->global;
    struct text *out = &log->line;
    struct line line;

    if (global->access_log.kind == LOGS_OFF || log->fd < 0)
        return;
    fill(&line, c);
    text_clear(out);
    if (global->access_format == ACCESS_JSON)
        print_json(out, &line);
    else
        print_text(out, &line);
    if (out->failed || out->length > sizeof log->bytes) {
        atomic_fetch_add_explicit(&log->daemon->access_dropped, 1, memory_order_relaxed);
        return;
    }
    if (log->length + out->length > sizeof log->bytes)
        access_log_flush(log);
    memcpy(log->bytes + log->length, out->at, out->length);
    log->length += out->length;
    log->lines++;
}

void access_log_start(struct access_log *log, const struct conn *c)
{
    if (c->generation->model->global.access_start)
        access_log_add(log, c);
}

uint64_t access_log_due(const struct conn *c)
{
    const struct model_global *global = &c->generation->model->global;
    if (global->access_interval_ms == 0 || global->access_log.kind == LOGS_OFF)
        return UINT64_MAX;
    return deadline_after(c->since_ns,
                          global->access_interval_ms * ((int64_t)c->n_intervals + 1));
}

void access_log_go_on(struct access_log *log, struct conn *c)
{
    uint64_t interval_ns =
        (uint64_t)c->generation->model->global.access_interval_ms * CLOCK_NS_PER_MS;
    c->n_intervals = (uint32_t)((c->relay->now_ns - c->since_ns) / interval_ns);
    access_log_add(log, c);
}

void access_log_fini(struct access_log *log)
{
    text_fini(&log->line);
}

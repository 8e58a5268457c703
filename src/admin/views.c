/* SPDX-License-Identifier: MIT */
/* Writes running.json or running.txt from one look at the rows. */
#include "admin/views.h"

#include <inttypes.h>
#include <string.h>

#include "admin/columns.h"
#include "admin/show.h"
#include "base/clock.h"
#include "net/netstat.h"

/* JSON: "name":value, with the comma a list needs before all but its first. */

static void json_comma(struct text *out, size_t position)
{
    if (position > 0)
        text_add(out, ",");
}

static void json_string(struct text *out, const char *key, const char *value)
{
    text_printf(out, "\"%s\":", key);
    text_add_json(out, value);
}

static void json_number(struct text *out, const char *key, uint64_t value)
{
    text_printf(out, ",\"%s\":%" PRIu64, key, value);
}

/* A gauge that a kill may have left odd for a second is never shown below nothing. */
static uint64_t gauge(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static void json_worker(struct text *out, const struct status_worker *worker)
{
    text_printf(out, "{\"id\":%" PRIu32 ",\"pid\":%" PRId32 ",", worker->id, worker->pid);
    json_string(out, "state", worker->state);
    json_number(out, "connections", worker->connections);
    json_number(out, "accepted_total", worker->accepted_total);
    text_printf(out, ",\"loop_lag_ms\":%.3f", worker->lag_ms);
    json_number(out, "restarts", worker->restarts);
    json_number(out, "generation", worker->generation);
    text_printf(out, ",\"busy_s\":%.3f", (double)worker->busy_ns / (double)CLOCK_NS_PER_S);
    json_number(out, "accept_paused_total", worker->accept_paused_total);
    json_number(out, "dropped_lines", worker->dropped_lines);
    text_add(out, "}");
}

static void json_workers(struct text *out, const struct status *status)
{
    size_t shown = 0;
    text_add(out, "\"workers\":[");
    for (uint32_t slot = 0; slot < status_count_slots(status); slot++) {
        struct status_worker worker;
        if (!status_read_worker(status, slot, &worker))
            continue;
        json_comma(out, shown++);
        json_worker(out, &worker);
    }
    text_add(out, "]");
}

static void json_host(struct text *out, const struct status_host *host)
{
    const struct host_figures *figures = &host->figures;
    text_add(out, "{");
    json_string(out, "name", host->model->name);
    text_add(out, ",");
    json_string(out, "address", host->address);
    text_add(out, ",");
    json_string(out, "state", host_state_word(host->state));
    json_number(out, "weight", host->weight);
    json_number(out, "connections", gauge(figures->in_flight));
    json_number(out, "connections_total", figures->connections_total);
    json_number(out, "bytes_in", figures->bytes_in);
    json_number(out, "bytes_out", figures->bytes_out);
    json_number(out, "failures_total", figures->failures_total);
    text_add(out, ",\"failures\":{");
    for (size_t i = 0, shown = 0; i < FAILURES; i++) {
        if (figures->failures[i] == 0)
            continue;
        json_comma(out, shown++);
        text_printf(out, "\"%s\":%" PRIu64, host_failure_word((enum host_failure)i),
                    figures->failures[i]);
    }
    text_add(out, "}");
    json_number(out, "max_connections", (uint64_t)host->model->max_connections);
    text_add(out, ",\"since\":\"");
    show_time(out, host->since_ns);
    text_add(out, "\",");
    json_string(out, "reason", host->reason);
    text_add(out, "}");
}

static void json_group(struct text *out, const struct status *status, size_t index)
{
    struct status_group group;
    status_read_group(status, index, &group);
    text_add(out, "{");
    json_string(out, "name", group.model->name);
    text_add(out, ",");
    json_string(out, "scheduler", status_scheduler_word(group.model->scheduler));
    json_number(out, "ejected", group.ejected);
    text_add(out, ",\"hosts\":[");
    for (size_t i = 0; i < group.model->n_hosts; i++) {
        struct status_host host;
        status_read_host(status, index, i, &host);
        json_comma(out, i);
        json_host(out, &host);
    }
    text_add(out, "]}");
}

/* How connections ended that did not end well; what never happened is left out. */
static void json_errors(struct text *out, const struct service_figures *figures)
{
    size_t shown = 0;
    text_add(out, ",\"errors\":{");
    for (size_t i = OUTCOME_OK + 1; i < OUTCOMES; i++) {
        if (figures->outcomes[i] == 0)
            continue;
        json_comma(out, shown++);
        text_printf(out, "\"%s\":%" PRIu64, outcome_word((enum outcome)i),
                    figures->outcomes[i]);
    }
    text_add(out, "}");
}

static void json_service(struct text *out, const struct status *status, size_t index)
{
    const struct model_service *service = &status->model->services[index];
    struct service_figures figures;
    status_read_service(status, index, &figures);
    text_add(out, "{");
    json_string(out, "name", service->name);
    text_add(out, ",");
    json_string(out, "protocol", service->protocol == PROTOCOL_UDP ? "udp" : "tcp");
    text_add(out, ",\"listen\":[");
    for (size_t i = 0; i < service->n_listens; i++) {
        char address[ADDR_TEXT_BYTES];
        json_comma(out, i);
        text_add_json(out, status_print_listen(address, &service->listens[i]));
    }
    text_add(out, "],");
    json_string(out, "group", status->model->groups[service->group].name);
    json_number(out, "connections", gauge(figures.connections));
    json_number(out, "connections_total", figures.connections_total);
    json_number(out, "bytes_in", figures.bytes_in);
    json_number(out, "bytes_out", figures.bytes_out);
    json_number(out, "waiting", gauge(figures.waiting));
    json_errors(out, &figures);
    text_add(out, ",\"groups\":[");
    json_group(out, status, service->group);
    text_add(out, "]}");
}

static void json_reload(struct text *out, const struct status_reload *reload)
{
    text_add(out, ",\"last_reload\":");
    if (reload == NULL) {
        text_add(out, "null");
        return;
    }
    text_printf(out, "{\"ok\":%s,\"time\":\"", reload->is_ok ? "true" : "false");
    show_time(out, reload->wall_ns);
    text_add(out, "\",");
    json_string(out, "message", reload->message);
    text_add(out, "}");
}

void view_json(struct text *out, const struct status *status)
{
    const struct daemon_row *daemon = status->segment->daemon;
    text_add(out, "{");
    json_string(out, "version", GAIDAROS_VERSION);
    json_number(out, "generation", atomic_load(&daemon->generation));
    text_add(out, ",\"time\":\"");
    show_time(out, status->wall_ns);
    text_printf(out, "\",\"uptime_s\":%.3f,",
                (double)status_uptime_ns(status) / (double)CLOCK_NS_PER_S);
    json_string(out, "state", status_state_word(status));
    text_printf(out, ",\"reloads\":{\"ok\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
                atomic_load(&daemon->reloads_ok), atomic_load(&daemon->reloads_failed));
    json_reload(out, status->reload);
    json_number(out, "generations", atomic_load(&daemon->generations));
    json_number(out, "director_restarts", atomic_load(&daemon->director_restarts));
    json_number(out, "access_lines", atomic_load(&daemon->access_lines));
    json_number(out, "access_dropped", atomic_load(&daemon->access_dropped));
    json_number(out, "lines_lost", status->lines_lost);
    json_number(out, "listen_overflows", netstat_listen_overflows());
    text_add(out, ",");
    json_workers(out, status);
    text_add(out, ",\"services\":[");
    for (size_t i = 0; i < status->model->n_services; i++) {
        json_comma(out, i);
        json_service(out, status, i);
    }
    text_add(out, "]}\n");
}

/* Text: each kind of line is a table of its own, built with tabs and then aligned. */

static void text_daemon(struct text *out, const struct status *status)
{
    const struct daemon_row *daemon = status->segment->daemon;
    struct status_totals totals;
    status_read_totals(status, &totals);
    text_printf(out,
                "daemon   version=%s state=%s generation=%" PRIu64 " uptime_s=%" PRIu64
                " reloads=%" PRIu64 " reloads_failed=%" PRIu64 " workers_up=%" PRIu64
                "/%" PRIu64 " hosts_up=%" PRIu64 "/%" PRIu64 " listen_overflows=%" PRIu64
                "\n\n",
                GAIDAROS_VERSION, status_state_word(status), atomic_load(&daemon->generation),
                status_uptime_ns(status) / CLOCK_NS_PER_S, atomic_load(&daemon->reloads_ok),
                atomic_load(&daemon->reloads_failed), totals.workers_up, totals.workers,
                totals.hosts_up, totals.hosts, netstat_listen_overflows());
}

/* Only a reload that failed has something to tell: a line for each of its problems. */
static void text_reload(struct text *out, const struct status_reload *reload)
{
    if (reload == NULL || reload->is_ok)
        return;
    for (const char *at = reload->message;;) {
        size_t length = strcspn(at, "\n");
        struct text line = {0};
        text_append(&line, at, length);
        text_add(out, "reload   failed ");
        show_time(out, reload->wall_ns);
        text_add(out, " ");
        text_add_escaped(out, line.at != NULL ? line.at : "");
        text_add(out, "\n");
        text_fini(&line);
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    text_add(out, "\n");
}

static void text_workers(struct text *out, const struct status *status)
{
    struct text table = {0};
    text_add(&table, "#worker\t>id\t>pid\tstate\t>connections\t>accepted\t>lag_ms\t>restarts\t"
                     ">generation\n");
    for (uint32_t slot = 0; slot < status_count_slots(status); slot++) {
        struct status_worker worker;
        if (!status_read_worker(status, slot, &worker))
            continue;
        text_printf(&table,
                    "worker\t%" PRIu32 "\t%" PRId32 "\t%s\t%" PRIu64 "\t%" PRIu64
                    "\t%.1f\t%" PRIu64 "\t%" PRIu64 "\n",
                    worker.id, worker.pid, worker.state, worker.connections,
                    worker.accepted_total, worker.lag_ms, worker.restarts, worker.generation);
    }
    columns_align(out, &table);
    text_add(out, "\n");
    text_fini(&table);
}

static void text_service(struct text *table, const struct status *status, size_t index)
{
    const struct model_service *service = &status->model->services[index];
    struct service_figures figures;
    status_read_service(status, index, &figures);
    uint64_t errors = 0;
    for (size_t i = OUTCOME_OK + 1; i < OUTCOMES; i++)
        errors += figures.outcomes[i];

    text_add(table, "service\t");
    columns_add_word(table, service->name);
    text_add(table, "\t");
    for (size_t i = 0; i < service->n_listens; i++) {
        char address[ADDR_TEXT_BYTES];
        if (i > 0)
            text_add(table, ",");
        columns_add_word(table, status_print_listen(address, &service->listens[i]));
    }
    text_add(table, "\t");
    columns_add_word(table, status->model->groups[service->group].name);
    text_printf(table, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
                gauge(figures.connections), figures.connections_total, figures.bytes_in,
                figures.bytes_out, errors);
}

static void text_host(struct text *table, const char *service, const char *group,
                      const struct status_host *host)
{
    const struct host_figures *figures = &host->figures;
    text_add(table, "host\t");
    columns_add_word(table, service);
    text_add(table, "\t");
    columns_add_word(table, group);
    text_add(table, "\t");
    columns_add_word(table, host->model->name);
    text_add(table, "\t");
    columns_add_word(table, host->address);
    text_printf(table,
                "\t%s\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
                "\t%" PRIu64 "\t",
                host_state_word(host->state), host->weight, gauge(figures->in_flight),
                figures->connections_total, figures->bytes_in, figures->bytes_out,
                figures->failures_total);
    if (host->since_ns == 0)
        text_add(table, "-");
    show_time(table, host->since_ns);
    text_add(table, "\t");
    if (host->reason[0] == '\0')
        text_add(table, "-");
    text_add_escaped(table, host->reason);
    text_add(table, "\n");
}

void view_text(struct text *out, const struct status *status)
{
    text_daemon(out, status);
    text_reload(out, status->reload);
    text_workers(out, status);

    struct text table = {0};
    text_add(&table, "#service\tname\tlisten\tgroup\t>connections\t>total\t>bytes_in\t"
                     ">bytes_out\t>errors\n");
    for (size_t i = 0; i < status->model->n_services; i++)
        text_service(&table, status, i);
    columns_align(out, &table);
    text_add(out, "\n");

    text_clear(&table);
    text_add(&table, "#host\tservice\tgroup\tname\taddress\tstate\t>weight\t>connections\t"
                     ">total\t>bytes_in\t>bytes_out\t>failures\tsince\treason\n");
    for (size_t i = 0; i < status->model->n_services; i++) {
        const struct model_service *service = &status->model->services[i];
        const struct model_group *group = &status->model->groups[service->group];
        for (size_t j = 0; j < group->n_hosts; j++) {
            struct status_host host;
            status_read_host(status, service->group, j, &host);
            text_host(&table, service->name, group->name, &host);
        }
    }
    columns_align(out, &table);
    text_fini(&table);
}

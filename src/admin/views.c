/* SPDX-License-Identifier: MIT */
/* Writes running.json from one look at the rows. */
#include "admin/views.h"

#include <inttypes.h>
#include <string.h>

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

/* ,"name":1.234, and null for what is not known, which the reader marks by a negative number. */
static void json_maybe(struct text *out, const char *key, double value)
{
    if (value < 0)
        text_printf(out, ",\"%s\":null", key);
    else
        text_printf(out, ",\"%s\":%.3f", key, value);
}

/* As json_maybe, of what is counted. */
static void json_maybe_count(struct text *out, const char *key, double value)
{
    if (value < 0)
        text_printf(out, ",\"%s\":null", key);
    else
        json_number(out, key, (uint64_t)value);
}

static void json_time(struct text *out, const char *key, int64_t wall_ns)
{
    text_printf(out, "\"%s\":\"", key);
    show_time(out, wall_ns);
    text_add(out, "\"");
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

static void json_failures(struct text *out, const struct host_figures *figures)
{
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
}

static void json_check(struct text *out, const struct status_host *host)
{
    text_add(out, ",");
    json_string(out, "check", host->check);
    json_number(out, "checks_total", host->checks_total);
    json_number(out, "check_failures_total", host->check_failures_total);
    json_maybe(out, "check_ms", host->check_ms);
    json_maybe(out, "next_check_s", host->next_check_s);
}

static void json_changes(struct text *out, const struct status *status, size_t group,
                         size_t host)
{
    struct host_change_copy changes[HOST_CHANGES];
    size_t n = status_read_changes(status, group, host, changes);
    text_add(out, ",\"changes\":[");
    for (size_t i = 0; i < n; i++) {
        json_comma(out, i);
        text_add(out, "{");
        json_time(out, "time", changes[i].at_ns);
        text_add(out, ",");
        json_string(out, "state", host_state_word(changes[i].state));
        text_add(out, ",");
        json_string(out, "reason", changes[i].reason);
        text_add(out, "}");
    }
    text_add(out, "]");
}

static void json_host(struct text *out, const struct status *status, size_t group, size_t index)
{
    struct status_host host;
    status_read_host(status, group, index, &host);
    const struct host_figures *figures = &host.figures;
    text_add(out, "{");
    json_string(out, "name", host.model->name);
    text_add(out, ",");
    json_string(out, "address", host.address);
    text_add(out, ",");
    json_string(out, "state", host_state_word(host.state));
    json_number(out, "weight", host.weight);
    json_number(out, "connections", status_gauge(figures->in_flight));
    json_number(out, "connections_total", figures->connections_total);
    json_number(out, "bytes_in", figures->bytes_in);
    json_number(out, "bytes_out", figures->bytes_out);
    json_failures(out, figures);
    json_number(out, "max_connections", (uint64_t)host.model->max_connections);
    text_add(out, ",");
    json_time(out, "since", host.since_ns);
    text_add(out, ",");
    json_string(out, "reason", host.reason);
    json_maybe(out, "slow_start", host.slow_start);
    json_maybe(out, "drain_left_s", host.drain_left_s);
    json_maybe_count(out, "ports_left", host.ports_left);
    json_check(out, &host);
    json_changes(out, status, group, index);
    text_add(out, "}");
}

static void json_group(struct text *out, const struct status *status, size_t service,
                       size_t place)
{
    size_t index = status_group_at(status, service, place);
    struct status_group group;
    status_read_group(status, index, &group);
    text_add(out, "{");
    json_string(out, "name", group.model->name);
    text_add(out, ",");
    json_string(out, "role", status_role_word(status_role(status, service, place)));
    text_add(out, ",");
    json_string(out, "scheduler", status_scheduler_word(group.model->scheduler));
    json_number(out, "usable", group.usable);
    json_number(out, "ejected", group.ejected);
    text_printf(out, ",\"fail_open\":%s", group.is_failing_open ? "true" : "false");
    text_add(out, ",\"hosts\":[");
    for (size_t i = 0; i < group.model->n_hosts; i++) {
        json_comma(out, i);
        json_host(out, status, index, i);
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
    size_t enabled = status_group_at(status, index, status_enabled(status, index));
    text_add(out, ",");
    json_string(out, "enabled", status->model->groups[enabled].name);
    json_number(out, "connections", status_gauge(figures.connections));
    json_number(out, "connections_total", figures.connections_total);
    json_number(out, "max_connections", (uint64_t)service->max_connections);
    json_number(out, "bytes_in", figures.bytes_in);
    json_number(out, "bytes_out", figures.bytes_out);
    json_number(out, "waiting", status_gauge(figures.waiting));
    json_errors(out, &figures);
    text_add(out, ",\"groups\":[");
    for (size_t place = 0; place < status_count_groups(status, index); place++) {
        json_comma(out, place);
        json_group(out, status, index, place);
    }
    text_add(out, "]}");
}

static void json_expiries(struct text *out, const struct status *status)
{
    const struct expiries *expiries = status->expiries;
    text_add(out, ",\"expiries\":[");
    for (size_t i = 0; expiries != NULL && i < expiries->n; i++) {
        const struct expiry *expiry = &expiries->at[i];
        json_comma(out, i);
        text_add(out, "{");
        json_string(out, "section", expiry->section);
        text_add(out, ",");
        json_string(out, "key", expiry->key);
        text_add(out, ",");
        json_string(out, "file", expiry->path);
        text_add(out, ",");
        json_time(out, "expires", expiry->expires_s * (int64_t)CLOCK_NS_PER_S);
        text_printf(out, ",\"left_s\":%.0f}", expiry_left_s(expiry, status->wall_ns));
    }
    text_add(out, "]");
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
    text_add(out, ",");
    json_time(out, "time", status->wall_ns);
    text_printf(out, ",\"uptime_s\":%.3f,",
                (double)status_uptime_ns(status) / (double)CLOCK_NS_PER_S);
    json_string(out, "state", status_state_word(status));
    text_printf(out, ",\"reloads\":{\"ok\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
                atomic_load(&daemon->reloads_ok), atomic_load(&daemon->reloads_failed));
    json_reload(out, status->reload);
    json_expiries(out, status);
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

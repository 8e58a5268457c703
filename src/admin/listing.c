/* SPDX-License-Identifier: MIT */
/* Writes running.txt from one look at the rows. */
#include "admin/listing.h"

#include <inttypes.h>
#include <string.h>

#include "admin/columns.h"
#include "admin/show.h"
#include "base/clock.h"
#include "net/netstat.h"

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
    text_printf(table, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64,
                status_gauge(figures.connections), figures.connections_total, figures.bytes_in,
                figures.bytes_out, errors);
    text_printf(table, "\t%" PRIu64 "\t%" PRId64 "\t", status_gauge(figures.waiting),
                service->max_connections);
    size_t enabled = status_group_at(status, index, status_enabled(status, index));
    columns_add_word(table, status->model->groups[enabled].name);
    text_add(table, "\n");
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
                host_state_word(host->state), host->weight, status_gauge(figures->in_flight),
                figures->connections_total, figures->bytes_in, figures->bytes_out,
                figures->failures_total);
    if (host->since_ns == 0)
        text_add(table, "-");
    show_time(table, host->since_ns);
    text_printf(table, "\t%" PRIu64 "\t%" PRIu64 "\t", host->checks_total,
                host->check_failures_total);
    if (host->next_check_s < 0)
        text_add(table, "-\t");
    else
        text_printf(table, "%.1f\t", host->next_check_s);
    if (host->reason[0] == '\0')
        text_add(table, "-");
    text_add_escaped(table, host->reason);
    text_add(table, "\n");
}

static void text_group(struct text *table, const struct status *status, size_t service,
                       size_t place)
{
    size_t index = status_group_at(status, service, place);
    const struct model_group *group = &status->model->groups[index];
    for (size_t i = 0; i < group->n_hosts; i++) {
        struct status_host host;
        status_read_host(status, index, i, &host);
        text_host(table, status->model->services[service].name, group->name, &host);
    }
}

void listing_text(struct text *out, const struct status *status)
{
    text_daemon(out, status);
    text_reload(out, status->reload);
    text_workers(out, status);

    struct text table = {0};
    text_add(&table, "#service\tname\tlisten\tgroup\t>connections\t>total\t>bytes_in\t"
                     ">bytes_out\t>errors\t>waiting\t>max_connections\tenabled\n");
    for (size_t i = 0; i < status->model->n_services; i++)
        text_service(&table, status, i);
    columns_align(out, &table);
    text_add(out, "\n");

    text_clear(&table);
    text_add(&table, "#host\tservice\tgroup\tname\taddress\tstate\t>weight\t>connections\t"
                     ">total\t>bytes_in\t>bytes_out\t>failures\tsince\t>checks\t>check_"
                     "failures\t>next_check_s\treason\n");
    for (size_t i = 0; i < status->model->n_services; i++)
        for (size_t place = 0; place < status_count_groups(status, i); place++)
            text_group(&table, status, i, place);
    columns_align(out, &table);
    text_fini(&table);
}

/* SPDX-License-Identifier: MIT */
/*
 * Renders the status page on the server.
 *
 * The page is whole without scripts (it then refreshes by a meta element). admin/script.c finds
 * what it rewrites by the ids s0, s1, … of services (order of running.json), s0h0, … of hosts,
 * and by the order of the cells in a row: change both together.
 */
#include "admin/page.h"

#include <inttypes.h>
#include <string.h>

#include "admin/show.h"
#include "base/clock.h"

#define DASH "\xe2\x80\x93"
#define LISTED 20 /* hosts named in the list of those not up */

static uint64_t gauge(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

/* "admin_down" is shown as "admin down", and is the badge's class as it is. */
static void add_badge(struct text *out, const char *id, const char *state)
{
    text_add(out, "<span class=\"badge ");
    text_add_html(out, state);
    if (*id != '\0')
        text_printf(out, "\" id=\"%s", id);
    text_add(out, "\">");
    for (const char *at = state; *at != '\0'; at++)
        text_append(out, *at == '_' ? " " : at, 1);
    text_add(out, "</span>");
}

static void add_bar(struct text *out, uint64_t part, uint64_t whole, bool is_limit)
{
    uint64_t width = whole > 0 ? part * 100 / whole : 0;
    text_printf(out,
                "<svg class=\"bar%s\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" "
                "aria-hidden=\"true\"><rect width=\"%" PRIu64 "\" height=\"4\"/></svg>",
                is_limit && part >= whole ? " full" : "", width < 100 ? width : 100);
}

static void add_count_cell(struct text *out, const char *label, uint64_t count, bool is_bad)
{
    text_printf(out, "<td class=\"num%s\" data-label=\"%s\">", is_bad ? " bad" : "", label);
    show_count(out, count);
    text_add(out, "</td>");
}

static void add_bytes_cell(struct text *out, const char *label, uint64_t bytes)
{
    text_printf(out, "<td class=\"num\" data-label=\"%s\">", label);
    show_bytes(out, bytes);
    text_add(out, "</td>");
}

/* What only a script can know, since it takes two looks. */
static void add_rate_cell(struct text *out)
{
    text_add(out, "<td class=\"num\" data-label=\"Per second\">" DASH "</td>");
}

static void add_age(struct text *out, int64_t since_ns, int64_t wall_ns)
{
    text_add(out, "<time datetime=\"");
    show_time(out, since_ns);
    text_add(out, "\" title=\"");
    show_time(out, since_ns);
    text_add(out, "\">");
    if (since_ns != 0)
        show_duration(out, gauge(wall_ns - since_ns) / CLOCK_NS_PER_S);
    text_add(out, "</time>");
}

static void add_head(struct text *out, const struct status *status,
                     const struct status_totals *totals)
{
    const struct model_admin *admin = &status->model->admin;
    int64_t refresh_s = (admin->refresh_ms + 999) / 1000;
    text_printf(out,
                "<!DOCTYPE html>\n<html lang=\"en\" data-refresh=\"%" PRId64
                "\" data-generation=\"%" PRIu64 "\" data-title=\"",
                admin->refresh_ms, atomic_load(&status->segment->daemon->generation));
    text_add_html(out, admin->title);
    text_add(out, "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n<title>");
    if (totals->hosts_up < totals->hosts)
        text_printf(out, "%" PRIu64 " of %" PRIu64 " %s not up " DASH " ",
                    totals->hosts - totals->hosts_up, totals->hosts,
                    totals->hosts == 1 ? "host" : "hosts");
    text_add_html(out, admin->title);
    text_printf(out,
                "</title>\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"icon.svg\">\n"
                "<link rel=\"stylesheet\" href=\"style.css\">\n"
                "<script src=\"page.js\" defer></script>\n"
                "<noscript><meta http-equiv=\"refresh\" content=\"%" PRId64 "\"></noscript>\n"
                "</head>\n<body>\n",
                refresh_s > 0 ? refresh_s : 1);
}

/* Links only to where a link can lead: no script hides behind a heading. */
static bool is_link(const char *url)
{
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0 || *url == '/';
}

static void add_header(struct text *out, const struct status *status)
{
    const struct model_admin *admin = &status->model->admin;
    text_add(out, "<header><img src=\"icon.svg\" alt=\"\" width=\"30\" height=\"30\"><h1>");
    if (is_link(admin->url)) {
        text_add(out, "<a href=\"");
        text_add_html(out, admin->url);
        text_add(out, "\">");
    }
    text_add_html(out, admin->title);
    text_add(out, is_link(admin->url) ? "</a></h1>" : "</h1>");
    add_badge(out, "state", status_state_word(status));
    text_printf(out,
                "<p class=\"facts\"><span>gaidaros <b>%s</b></span>"
                "<span>generation <b>%" PRIu64 "</b></span>",
                GAIDAROS_VERSION, atomic_load(&status->segment->daemon->generation));
    text_add(out, "<span>up <b id=\"uptime\">");
    show_duration(out, status_uptime_ns(status) / CLOCK_NS_PER_S);
    text_add(out, "</b></span></p></header>\n<p class=\"lost\" id=\"lost\" role=\"status\" "
                  "hidden></p>\n<main>\n");
}

static void open_tile(struct text *out, const char *heading, const char *id)
{
    text_printf(out, "<div class=\"tile\"><h2>%s</h2><p class=\"big\"><span id=\"%s\">",
                heading, id);
}

static void add_traffic_tile(struct text *out, const char *heading, const char *id,
                             uint64_t bytes)
{
    open_tile(out, heading, id);
    show_bytes(out, bytes);
    text_printf(out, "</span></p><p class=\"sub\" id=\"%s-rate\">in total</p></div>\n", id);
}

static void add_tiles(struct text *out, const struct status_totals *totals)
{
    text_add(out, "<section class=\"tiles\" aria-label=\"Summary\">\n");
    open_tile(out, "Open connections", "open");
    show_count(out, totals->connections);
    text_add(out, "</span></p><p class=\"sub\"><span id=\"total\">");
    show_count(out, totals->connections_total);
    text_add(out, "</span> in total</p></div>\n");

    open_tile(out, "New connections", "rate");
    text_add(out, DASH "</span> <small>a second</small></p><p class=\"sub\">&nbsp;</p>"
                       "<svg id=\"spark\" viewBox=\"0 0 100 26\" preserveAspectRatio=\"none\" "
                       "aria-hidden=\"true\"><path/></svg></div>\n");

    add_traffic_tile(out, "From clients", "in", totals->bytes_in);
    add_traffic_tile(out, "To clients", "out", totals->bytes_out);

    uint64_t not_up = totals->hosts - totals->hosts_up;
    open_tile(out, "Hosts up", "hosts-up");
    text_printf(out,
                "%" PRIu64 "</span> <small id=\"hosts-all\">/ %" PRIu64
                "</small></p><p class=\"sub%s\" id=\"hosts-sub\">",
                totals->hosts_up, totals->hosts, not_up > 0 ? " bad" : "");
    if (not_up > 0)
        text_printf(out, "%" PRIu64 " not up</p></div>\n", not_up);
    else
        text_add(out, "all is well</p></div>\n");

    open_tile(out, "Workers up", "workers-up");
    text_printf(out,
                "%" PRIu64 "</span> <small id=\"workers-all\">/ %" PRIu64
                "</small></p><p class=\"sub\" id=\"load\">load " DASH "</p></div>\n",
                totals->workers_up, totals->workers);
    text_add(out, "</section>\n");
}

static void add_attention_item(struct text *out, const struct status *status, size_t service,
                               size_t host_index)
{
    size_t group = status->model->services[service].group;
    struct status_host host;
    status_read_host(status, group, host_index, &host);
    text_add(out, "<li>");
    add_badge(out, "", host_state_word(host.state));
    text_printf(out, "<a href=\"#s%zuh%zu\">", service, host_index);
    text_add_html(out, host.model->name);
    text_add(out, "</a><span class=\"quiet\">");
    text_add_html(out, status->model->services[service].name);
    text_add(out, " / ");
    text_add_html(out, status->model->groups[group].name);
    text_add(out, "</span><span>");
    text_add_html(out, host.reason);
    text_add(out, "</span><span class=\"ago\">");
    if (host.since_ns != 0) {
        text_add(out, "for ");
        show_duration(out, gauge(status->wall_ns - host.since_ns) / CLOCK_NS_PER_S);
    }
    text_add(out, "</span></li>\n");
}

/* A reload that failed is news until one goes well: the file on disk is not what serves. */
static void add_reload(struct text *out, const struct status *status)
{
    const struct status_reload *reload = status->reload;
    bool is_shown = reload != NULL && !reload->is_ok;
    text_printf(out, "<section class=\"attention\" id=\"reload\" role=\"alert\"%s><h2>",
                is_shown ? "" : " hidden");
    if (is_shown) {
        text_add(out, "The reload of ");
        show_time(out, reload->wall_ns);
        text_printf(out, " failed: generation %" PRIu64 " serves on",
                    atomic_load(&status->segment->daemon->generation));
    }
    text_add(out, "</h2><pre>");
    if (is_shown)
        text_add_html(out, reload->message);
    text_add(out, "</pre></section>\n");
}

/* What needs a person's eye comes before everything that is well. */
static void add_attention(struct text *out, const struct status *status,
                          const struct status_totals *totals)
{
    uint64_t not_up = totals->hosts - totals->hosts_up, listed = 0;
    text_printf(out,
                "<section class=\"attention\" id=\"attention\"%s><h2>%" PRIu64 " of %" PRIu64
                " %s not up</h2><ul>\n",
                not_up == 0 ? " hidden" : "", not_up, totals->hosts,
                totals->hosts == 1 ? "host" : "hosts");
    for (size_t i = 0; i < status->model->n_services; i++) {
        if (!status_is_first_use(status, i))
            continue;
        size_t group = status->model->services[i].group;
        for (size_t j = 0; j < status->model->groups[group].n_hosts && listed < LISTED; j++) {
            if (status_host_state(status, group, j) == HOST_UP)
                continue;
            add_attention_item(out, status, i, j);
            listed++;
        }
    }
    if (listed < not_up)
        text_printf(out, "<li class=\"more\">and %" PRIu64 " more</li>\n", not_up - listed);
    text_add(out, "</ul></section>\n");
}

static void add_figure(struct text *out, const char *word)
{
    text_printf(out, "<div><dt>%s</dt><dd>", word);
}

static void add_service_head(struct text *out, const struct model_service *service,
                             const struct service_figures *figures)
{
    text_add(out, "<div class=\"head\"><h2>");
    text_add_html(out, service->name);
    text_add(out, "</h2>");
    for (size_t i = 0; i < service->n_listens; i++) {
        char address[ADDR_TEXT_BYTES];
        text_add(out, "<span class=\"chip\">");
        text_add_html(out, status_print_listen(address, &service->listens[i]));
        text_add(out, "</span>");
    }
    text_add(out, "<dl class=\"figures\">");
    add_figure(out, "open");
    show_count(out, gauge(figures->connections));
    text_add(out, "</dd></div>");
    add_figure(out, "total");
    show_count(out, figures->connections_total);
    text_add(out, "</dd></div>");
    add_figure(out, "from clients");
    show_bytes(out, figures->bytes_in);
    text_add(out, "</dd></div>");
    add_figure(out, "to clients");
    show_bytes(out, figures->bytes_out);
    text_add(out, "</dd></div></dl></div>\n");
}

static void add_errors(struct text *out, const struct service_figures *figures)
{
    struct text list = {0};
    for (size_t i = OUTCOME_OK + 1; i < OUTCOMES; i++) {
        if (figures->outcomes[i] == 0)
            continue;
        if (list.length > 0)
            text_add(&list, ", ");
        for (const char *at = outcome_word((enum outcome)i); *at != '\0'; at++)
            text_append(&list, *at == '_' ? " " : at, 1);
        text_add(&list, " <b>");
        show_count(&list, figures->outcomes[i]);
        text_add(&list, "</b>");
    }
    text_printf(out, "<p class=\"errors\"%s>ended otherwise: %s</p>\n",
                list.length == 0 ? " hidden" : "", list.length == 0 ? "" : list.at);
    out->failed |= list.failed;
    text_fini(&list);
}

/*
 * A row of the table of hosts.
 * most  connections of the busiest host of the group: the whole of a bar where no limit is set
 */
static void add_host(struct text *out, const struct status *status,
                     const struct status_host *host, uint64_t most)
{
    const struct host_figures *figures = &host->figures;
    uint64_t limit = (uint64_t)host->model->max_connections;
    text_add(out, "<td class=\"name\"><b>");
    text_add_html(out, host->model->name);
    text_add(out, "</b><span>");
    text_add_html(out, host->address);
    text_add(out, "</span></td><td class=\"state\">");
    add_badge(out, "", host_state_word(host->state));
    text_add(out, "</td>");
    add_count_cell(out, "Weight", host->weight, false);
    text_add(out, "<td class=\"num gauge\" data-label=\"Open\"><span>");
    show_count(out, gauge(figures->in_flight));
    text_add(out, "</span><small>");
    if (limit > 0) {
        text_add(out, " / ");
        show_count(out, limit);
    }
    text_add(out, "</small>");
    add_bar(out, gauge(figures->in_flight), limit > 0 ? limit : most, limit > 0);
    text_add(out, "</td>");
    add_count_cell(out, "Total", figures->connections_total, false);
    add_rate_cell(out);
    add_bytes_cell(out, "From clients", figures->bytes_in);
    add_bytes_cell(out, "To clients", figures->bytes_out);
    add_count_cell(out, "Failures", figures->failures_total, figures->failures_total > 0);
    text_add(out, "<td class=\"num\" data-label=\"State for\">");
    add_age(out, host->since_ns, status->wall_ns);
    text_add(out, "</td><td class=\"reason\">");
    text_add_html(out, host->reason);
    text_add(out, "</td>");
}

static uint64_t most_open(const struct status *status, size_t group)
{
    uint64_t most = 0;
    for (size_t i = 0; i < status->model->groups[group].n_hosts; i++) {
        uint64_t open = status_host_open(status, group, i);
        if (open > most)
            most = open;
    }
    return most;
}

static void add_group(struct text *out, const struct status *status, size_t service,
                      uint64_t waiting)
{
    size_t index = status->model->services[service].group;
    struct status_group group;
    status_read_group(status, index, &group);
    size_t n_hosts = group.model->n_hosts;
    text_add(out, "<div class=\"group\"><h3>group <b>");
    text_add_html(out, group.model->name);
    text_printf(out,
                "</b></h3><span>%s</span><span class=\"ups\">%zu of %zu up</span>"
                "<span class=\"waiting\"%s>",
                status_scheduler_word(group.model->scheduler), status_count_up(status, index),
                n_hosts, waiting == 0 ? " hidden" : "");
    show_count(out, waiting);
    text_add(out,
             " waiting for a free place</span></div>\n<div class=\"scroll\"><table "
             "class=\"hosts\">\n"
             "<thead><tr><th>Host</th><th>State</th><th class=\"num\">Weight</th>"
             "<th class=\"num\">Open</th><th class=\"num\">Total</th>"
             "<th class=\"num\">Per second</th><th class=\"num\">From clients</th>"
             "<th class=\"num\">To clients</th><th class=\"num\">Failures</th>"
             "<th class=\"num\">State for</th><th>Last fault</th></tr></thead>\n<tbody>\n");
    uint64_t most = most_open(status, index);
    for (size_t i = 0; i < n_hosts; i++) {
        struct status_host host;
        status_read_host(status, index, i, &host);
        text_printf(out, "<tr id=\"s%zuh%zu\">", service, i);
        add_host(out, status, &host, most);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

static void add_services(struct text *out, const struct status *status)
{
    for (size_t i = 0; i < status->model->n_services; i++) {
        struct service_figures figures;
        status_read_service(status, i, &figures);
        text_printf(out, "<section class=\"card\" id=\"s%zu\">\n", i);
        add_service_head(out, &status->model->services[i], &figures);
        add_errors(out, &figures);
        add_group(out, status, i, gauge(figures.waiting));
        text_add(out, "</section>\n");
    }
}

static void add_worker(struct text *out, const struct status_worker *worker)
{
    text_printf(out,
                "<tr><td class=\"name\"><b>worker %" PRIu32 "</b></td><td class=\"state\">",
                worker->id);
    add_badge(out, "", worker->state);
    text_add(out, "</td><td class=\"num\" data-label=\"Process\">");
    if (worker->pid > 0)
        text_printf(out, "%" PRId32, worker->pid);
    else
        text_add(out, DASH);
    text_add(out, "</td>");
    add_count_cell(out, "Open", worker->connections, false);
    add_count_cell(out, "Accepted", worker->accepted_total, false);
    add_rate_cell(out);
    text_add(out, "<td class=\"num gauge\" data-label=\"Load\"><span>" DASH "</span>");
    add_bar(out, 0, 1, false);
    text_printf(out, "</td><td class=\"num%s\" data-label=\"Lag\">%.1f ms</td>",
                worker->lag_ms >= 100 ? " bad" : "", worker->lag_ms);
    add_count_cell(out, "Restarts", worker->restarts, worker->restarts > 0);
    text_add(out, "</tr>\n");
}

static void add_workers(struct text *out, const struct status *status)
{
    text_add(out, "<section class=\"card\">\n<div class=\"head\"><h2>Workers</h2></div>\n"
                  "<div class=\"scroll\"><table id=\"workers\">\n<thead><tr><th>Worker</th>"
                  "<th>State</th><th class=\"num\">Process</th><th class=\"num\">Open</th>"
                  "<th class=\"num\">Accepted</th><th class=\"num\">Per second</th>"
                  "<th class=\"num\">Load</th><th class=\"num\">Lag</th>"
                  "<th class=\"num\">Restarts</th></tr></thead>\n<tbody>\n");
    for (uint32_t slot = 0; slot < status_count_slots(status); slot++) {
        struct status_worker worker;
        if (status_read_worker(status, slot, &worker))
            add_worker(out, &worker);
    }
    text_add(out, "</tbody></table></div>\n</section>\n");
}

static void add_footer(struct text *out, const struct status *status)
{
    text_add(out, "</main>\n<footer><span>the same for programs: <a href=\"running.txt\">"
                  "running.txt</a>, <a href=\"running.json\">running.json</a></span>"
                  "<span id=\"stamp\">as of ");
    show_time(out, status->wall_ns);
    text_add(out, "</span></footer>\n</body>\n</html>\n");
}

void page_html(struct text *out, const struct status *status)
{
    struct status_totals totals;
    status_read_totals(status, &totals);
    add_head(out, status, &totals);
    add_header(out, status);
    add_reload(out, status);
    add_tiles(out, &totals);
    add_attention(out, status, &totals);
    add_services(out, status);
    add_workers(out, status);
    add_footer(out, status);
}

/* SPDX-License-Identifier: MIT */
/*
 * Renders the status page on the server.
 *
 * The page is whole without scripts (it then refreshes by a meta element). page.js finds
 * what it rewrites by the ids s0, s1, … of services (order of running.json), s0g0h0, … of hosts, and the order
 * of groups and cells in them: change both together. With another configuration it fetches the page and takes
 * over the header and what is in "services"; what scripts have made besides them stays.
 */
#include "admin/page.h"

#include <inttypes.h>
#include <string.h>

#include "admin/card.h"
#include "admin/markup.h"
#include "admin/show.h"
#include "base/clock.h"
#include "net/netstat.h"

#define LISTED 20 /* hosts named in the list of those not up */

/* Calls from the page carry the token; it is of letters that need no escaping. */
static void add_viewer(struct text *out, const struct viewer *viewer)
{
    if (viewer == NULL || viewer->token[0] == '\0')
        return;
    text_add(out, "<meta name=\"gaidaros-token\" content=\"");
    text_add_html(out, viewer->token);
    text_add(out, "\">\n");
}

static void add_head(struct text *out, const struct status *status,
                     const struct status_totals *totals)
{
    const struct model_admin *admin = &status->model->admin;
    int64_t refresh_s = (admin->refresh_ms + 999) / 1000;
    text_printf(out,
                "<!DOCTYPE html>\n<html lang=\"en\" data-refresh=\"%" PRId64
                "\" data-generation=\"%" PRIu64 "\" data-version=\"" GAIDAROS_VERSION
                "\" data-title=\"",
                admin->refresh_ms, atomic_load(&status->segment->daemon->generation));
    text_add_html(out, admin->title);
    text_add(out, "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n<title>");
    if (totals->hosts_up < totals->hosts)
        text_printf(out, "%" PRIu64 " of %" PRIu64 " %s not up " MARKUP_DASH " ",
                    totals->hosts - totals->hosts_up, totals->hosts,
                    totals->hosts == 1 ? "host" : "hosts");
    text_add_html(out, admin->title);
    text_add(out, "</title>\n");
    add_viewer(out, status->viewer);
    text_printf(out,
                "<link rel=\"icon\" type=\"image/svg+xml\" href=\"icon.svg\">\n"
                "<link rel=\"stylesheet\" href=\"page.css\">\n"
                "<link rel=\"stylesheet\" href=\"control.css\">\n"
                "<script src=\"human.js\" defer></script>\n"
                "<script src=\"parts.js\" defer></script>\n"
                "<script src=\"page.js\" defer></script>\n"
                "<script src=\"finder.js\" defer></script>\n"
                "<script src=\"panes.js\" defer></script>\n"
                "<script src=\"control.js\" defer></script>\n"
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
    text_add(
        out,
        "<header id=\"header\"><img src=\"icon.svg\" alt=\"\" width=\"30\" height=\"30\"><h1>");
    if (is_link(admin->url)) {
        text_add(out, "<a href=\"");
        text_add_html(out, admin->url);
        text_add(out, "\">");
    }
    text_add_html(out, admin->title);
    text_add(out, is_link(admin->url) ? "</a></h1>" : "</h1>");
    markup_badge(out, "state", status_state_word(status));
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

/* Of the last minutes; the script draws it. Ends the tile. */
static void add_curve(struct text *out, const char *id)
{
    text_printf(
        out,
        "<svg id=\"%s\" viewBox=\"0 0 100 26\" preserveAspectRatio=\"none\" "
        "aria-hidden=\"true\"><path class=\"area\"/><path class=\"line\"/></svg></div>\n",
        id);
}

static void add_traffic_tile(struct text *out, const char *heading, const char *id,
                             uint64_t bytes)
{
    open_tile(out, heading, id);
    show_bytes(out, bytes);
    text_printf(out, "</span></p><p class=\"sub\" id=\"%s-rate\">in total</p>", id);
    add_curve(out, id[0] == 'i' ? "spark-in" : "spark-out");
}

static void add_tiles(struct text *out, const struct status_totals *totals)
{
    text_add(out, "<section class=\"tiles\" aria-label=\"Summary\">\n");
    open_tile(out, "Open connections", "open");
    show_count(out, totals->connections);
    text_add(out, "</span></p><p class=\"sub\"><span id=\"total\">");
    show_count(out, totals->connections_total);
    text_add(out, "</span> in total</p>");
    add_curve(out, "spark-open");

    open_tile(out, "New connections", "rate");
    text_add(out, MARKUP_DASH "</span> <small>a second</small></p>"
                              "<p class=\"sub\" id=\"rate-peak\">&nbsp;</p>");
    add_curve(out, "spark");

    add_traffic_tile(out, "From clients", "in", totals->bytes_in);
    add_traffic_tile(out, "To clients", "out", totals->bytes_out);

    uint64_t not_up = totals->hosts - totals->hosts_up;
    open_tile(out, "Hosts up", "hosts-up");
    text_printf(out,
                "%" PRIu64 "</span> <small id=\"hosts-all\">/ %" PRIu64
                "</small></p><p class=\"sub\"><span id=\"hosts-sub\"%s>",
                totals->hosts_up, totals->hosts, not_up > 0 ? " class=\"bad\"" : "");
    if (not_up > 0)
        text_printf(out, "%" PRIu64 " not up", not_up);
    else
        text_add(out, "all is well");
    text_add(out, "</span><span id=\"failures\"></span></p>");
    add_curve(out, "spark-failures");

    open_tile(out, "Workers up", "workers-up");
    text_printf(out,
                "%" PRIu64 "</span> <small id=\"workers-all\">/ %" PRIu64
                "</small></p><p class=\"sub\" id=\"load\">load " MARKUP_DASH "</p>",
                totals->workers_up, totals->workers);
    add_curve(out, "spark-load");
    text_add(out, "</section>\n");
}

/* Where a host stands: indexes into services, their groups' places, the group's hosts. */
struct spot {
    size_t service, place, host;
};

static void add_attention_item(struct text *out, const struct status *status, struct spot spot)
{
    size_t group = status_group_at(status, spot.service, spot.place);
    struct status_host host;
    status_read_host(status, group, spot.host, &host);
    text_add(out, "<li>");
    markup_badge(out, "", host_state_word(host.state));
    text_printf(out, "<a href=\"#s%zug%zuh%zu\">", spot.service, spot.place, spot.host);
    text_add_html(out, host.model->name);
    text_add(out, "</a><span class=\"quiet\">");
    text_add_html(out, status->model->services[spot.service].name);
    text_add(out, " / ");
    text_add_html(out, status->model->groups[group].name);
    text_add(out, "</span><span>");
    markup_why(out, &host);
    text_add(out, "</span><span class=\"ago\">");
    if (host.since_ns != 0) {
        text_add(out, "for ");
        show_duration(out, status_gauge(status->wall_ns - host.since_ns) / CLOCK_NS_PER_S);
    }
    text_add(out, "</span></li>\n");
}

/* Adds hosts that are not up, faults or those that somebody asked for; returns how many are listed by now. */
static uint64_t add_attention_items(struct text *out, const struct status *status,
                                    bool is_fault, uint64_t listed)
{
    struct spot spot = {0};
    for (spot.service = 0; spot.service < status->model->n_services; spot.service++) {
        size_t n_groups = status_count_groups(status, spot.service);
        for (spot.place = 0; spot.place < n_groups; spot.place++) {
            if (!status_is_first_use(status, spot.service, spot.place))
                continue;
            size_t group = status_group_at(status, spot.service, spot.place);
            size_t n_hosts = status->model->groups[group].n_hosts;
            for (spot.host = 0; spot.host < n_hosts && listed < LISTED; spot.host++) {
                enum host_state state = status_host_state(status, group, spot.host);
                if (state == HOST_UP || markup_is_fault(state) != is_fault)
                    continue;
                add_attention_item(out, status, spot);
                listed++;
            }
        }
    }
    return listed;
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

/* What needs a person's eye comes before everything that is well, faults before what was asked for. */
static void add_attention(struct text *out, const struct status *status,
                          const struct status_totals *totals)
{
    uint64_t not_up = totals->hosts - totals->hosts_up;
    text_printf(out,
                "<section class=\"attention\" id=\"attention\"%s><h2>%" PRIu64 " of %" PRIu64
                " %s not up</h2><ul>\n",
                not_up == 0 ? " hidden" : "", not_up, totals->hosts,
                totals->hosts == 1 ? "host" : "hosts");
    uint64_t listed = add_attention_items(out, status, true, 0);
    listed = add_attention_items(out, status, false, listed);
    if (listed < not_up)
        text_printf(out, "<li class=\"more\">and %" PRIu64 " more</li>\n", not_up - listed);
    text_add(out, "</ul></section>\n");
}

static void add_worker(struct text *out, const struct status_worker *worker)
{
    text_printf(out,
                "<tr><td class=\"name\"><b>worker %" PRIu32 "</b></td><td class=\"state\">",
                worker->id);
    markup_badge(out, "", worker->state);
    text_add(out, "</td><td class=\"num\" data-label=\"Process\">");
    if (worker->pid > 0)
        text_printf(out, "%" PRId32, worker->pid);
    else
        text_add(out, MARKUP_DASH);
    text_add(out, "</td>");
    markup_count_cell(out, "Open", worker->connections, false);
    markup_count_cell(out, "Accepted", worker->accepted_total, false);
    markup_rate_cell(out);
    text_add(out, "<td class=\"num gauge\" data-label=\"Load\"><span>" MARKUP_DASH "</span>");
    markup_bar(out, 0, 1, false);
    text_printf(out, "</td><td class=\"num%s\" data-label=\"Lag\">%.1f ms</td>",
                worker->lag_ms >= 100 ? " bad" : "", worker->lag_ms);
    markup_count_cell(out, "Restarts", worker->restarts, worker->restarts > 0);
    markup_count_cell(out, "Paused", worker->accept_paused_total,
                      worker->accept_paused_total > 0);
    markup_count_cell(out, "Lines dropped", worker->dropped_lines, worker->dropped_lines > 0);
    markup_count_cell(out, "Generation", worker->generation, false);
    text_add(out, "</tr>\n");
}

static void add_fact(struct text *out, const char *id, const char *word, uint64_t count)
{
    text_printf(out, "<div><dt>%s</dt><dd id=\"%s\">", word, id);
    show_count(out, count);
    text_add(out, "</dd></div>");
}

/* What is counted of the whole daemon. Ids are the keys of running.json with "fact-" before them. */
static void add_facts(struct text *out, const struct status *status)
{
    const struct daemon_row *daemon = status->segment->daemon;
    text_add(out, "<dl class=\"figures facts\" id=\"daemon\">");
    add_fact(out, "fact-reloads-ok", "reloads", atomic_load(&daemon->reloads_ok));
    add_fact(out, "fact-reloads-failed", "failed", atomic_load(&daemon->reloads_failed));
    add_fact(out, "fact-generations", "generations in use", atomic_load(&daemon->generations));
    add_fact(out, "fact-director_restarts", "director restarts",
             atomic_load(&daemon->director_restarts));
    add_fact(out, "fact-access_lines", "access lines", atomic_load(&daemon->access_lines));
    add_fact(out, "fact-access_dropped", "dropped", atomic_load(&daemon->access_dropped));
    add_fact(out, "fact-lines_lost", "log lines lost", status->lines_lost);
    add_fact(out, "fact-listen_overflows", "listen overflows of the machine",
             netstat_listen_overflows());
    text_add(out, "</dl>");
}

static void add_workers(struct text *out, const struct status *status)
{
    static const char *const heads[] = {"Process",       "Open",      "Accepted", "Per second",
                                        "Load",          "Lag",       "Restarts", "Paused",
                                        "Lines dropped", "Generation"};
    text_add(out, "<section class=\"card\">\n<div class=\"head\"><h2>Workers</h2>");
    add_facts(out, status);
    text_add(out,
             "</div>\n<div class=\"scroll\"><table id=\"workers\" aria-label=\"Workers\">\n"
             "<thead><tr><th scope=\"col\">Worker</th><th scope=\"col\">State</th>");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        text_printf(out, "<th scope=\"col\" class=\"num\">%s</th>", heads[i]);
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (uint32_t slot = 0; slot < status_count_slots(status); slot++) {
        struct status_worker worker;
        if (status_read_worker(status, slot, &worker))
            add_worker(out, &worker);
    }
    text_add(out, "</tbody></table></div>\n</section>\n");
}

static void add_footer(struct text *out, const struct status *status)
{
    text_add(
        out,
        "</main>\n<footer><span>the same for programs: <a href=\"running.txt\">"
        "running.txt</a>, <a href=\"running.json\">running.json</a>, <a href=\"metrics\">"
        "metrics</a>, <a href=\"connections\">connections</a>, <a href=\"config\">config</a>, "
        "<a href=\"config/running\">as it is now</a>, <a href=\"config/diff\">what a restart "
        "would lose</a></span>"
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
    text_add(out, "<div id=\"services\">\n");
    for (size_t i = 0; i < status->model->n_services; i++)
        card_html(out, status, i);
    add_workers(out, status);
    text_add(out, "</div>\n");
    add_footer(out, status);
}

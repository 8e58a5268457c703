/* SPDX-License-Identifier: MIT */
/*
 * Renders the status page's card of a service.
 *
 * What is opened by a click is a details element: it needs no script, and page.js leaves
 * it open, since it rewrites what is in it in place.
 */
#include "admin/card.h"

#include <inttypes.h>
#include <string.h>

#include "admin/markup.h"
#include "admin/show.h"
#include "base/clock.h"
#include "conf/directives.h"

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
    show_count(out, status_gauge(figures->connections));
    if (service->max_connections > 0) {
        text_add(out, " / ");
        show_count(out, (uint64_t)service->max_connections);
    }
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

/* Certificates are somebody's to renew, lists and staples renew themselves: late is only what has run out. */
static const struct expiry_words {
    int64_t soon_s;
    const char *before, *after;
} expiry_words[] = {
    [false] = {INT64_C(14) * 86400, " ends in <b>", " <b>has expired</b>, "},
    [true] = {0, " is renewed within <b>", " <b>should have been renewed</b>, "}};

/* The first to end of all that this service names; the page is no place for a thousand. */
static void add_expiry(struct text *out, const struct status *status, size_t service,
                       bool is_renewed)
{
    const struct expiries *expiries = status->expiries;
    const struct expiry_words *words = &expiry_words[is_renewed];
    const char *name = status->model->services[service].name;
    const struct expiry *first = NULL;
    size_t n = 0;
    for (size_t i = 0; expiries != NULL && i < expiries->n; i++) {
        const struct expiry *one = &expiries->at[i];
        if (one->is_renewed != is_renewed || strncmp(one->section, "service ", 8) != 0 ||
            strcmp(one->section + 8, name) != 0)
            continue;
        n++;
        if (first == NULL || one->expires_s < first->expires_s)
            first = one;
    }
    if (first == NULL)
        return;
    int64_t left_s = first->expires_s - status->wall_ns / (int64_t)CLOCK_NS_PER_S;
    text_printf(out, "<p class=\"expiry%s\">", left_s < words->soon_s ? " soon" : "");
    if (strcmp(first->key, DIRECTIVE_OF(SECTION_SERVICE, model_service, ocsp_stapling)->key) ==
        0)
        text_add(out, "the staple of ");
    text_add_html(out, first->path);
    if (first->expires_s == 0) {
        text_add(out, " <b>has not come yet</b>");
    } else if (left_s >= 0) {
        text_add(out, words->before);
        show_duration(out, (uint64_t)left_s);
        text_add(out, "</b>, ");
    } else {
        text_add(out, words->after);
    }
    if (first->expires_s != 0)
        markup_moment(out, first->expires_s * (int64_t)CLOCK_NS_PER_S);
    if (n > 1)
        text_printf(out, is_renewed ? " (the first of %zu)" : " (the first of %zu files)", n);
    text_add(out, "</p>\n");
}

static void add_waiting(struct text *out, uint64_t waiting)
{
    text_printf(out, "<p class=\"waiting\"%s>", waiting == 0 ? " hidden" : "");
    show_count(out, waiting);
    text_add(out, " waiting for a free place</p>\n");
}

/* What is known of its checks, one sentence. */
static void add_check(struct text *out, const struct status_host *host)
{
    text_add(out, "<p>check: <b>");
    text_add_html(out, host->check);
    text_add(out, "</b>");
    if (host->checks_total > 0) {
        text_add(out, ", ");
        show_count(out, host->checks_total);
        text_add(out, " so far, ");
        show_count(out, host->check_failures_total);
        text_printf(out, " failed, the last took %.1f ms", host->check_ms);
    }
    text_add(out, "</p>");
}

/* Why connects failed, how often; and the local ports left for more of them. Hidden where there is nothing to tell. */
static void add_connects(struct text *out, const struct status_host *host)
{
    const struct host_figures *figures = &host->figures;
    text_printf(out, "<p%s>failed connects: ", figures->failures_total == 0 ? " hidden" : "");
    for (size_t i = 0, shown = 0; i < FAILURES; i++) {
        if (figures->failures[i] == 0)
            continue;
        text_printf(out, "%s%s ", shown++ > 0 ? ", " : "",
                    host_failure_word((enum host_failure)i));
        show_count(out, figures->failures[i]);
    }
    text_printf(out, "</p><p%s>local ports left: ", host->ports_left < 0 ? " hidden" : "");
    if (host->ports_left >= 0)
        show_count(out, (uint64_t)host->ports_left);
    text_add(out, "</p>");
}

/* A cell that tells why, and opened what happened before. */
static void add_why_cell(struct text *out, const struct status_host *host,
                         const struct host_change_copy *changes, size_t n)
{
    text_add(out, "<td class=\"reason\"><details><summary>");
    markup_why(out, host);
    text_add(out, "</summary><div class=\"past\">");
    add_check(out, host);
    add_connects(out, host);
    text_add(out, "<ol>");
    for (size_t i = 0; i < n; i++) {
        text_add(out, "<li><time>");
        markup_moment(out, changes[i].at_ns);
        text_add(out, "</time> ");
        markup_badge(out, "", host_state_word(changes[i].state));
        text_add(out, " <span>");
        text_add_html(out, changes[i].reason);
        text_add(out, "</span></li>");
    }
    text_add(out, "</ol></div></details></td>");
}

static void add_state_cell(struct text *out, const struct status_host *host)
{
    text_add(out, "<td class=\"state\">");
    markup_badge(out, "", host_state_word(host->state));
    text_printf(out, "<small class=\"warm\"%s>", host->slow_start < 0 ? " hidden" : "");
    if (host->slow_start >= 0)
        text_printf(out, "warming, %.0f %%", host->slow_start * 100);
    text_add(out, "</small></td>");
}

static void add_time_cells(struct text *out, const struct status *status,
                           const struct status_host *host)
{
    text_add(out, "<td class=\"num since\" data-label=\"Since\"><span>");
    markup_age(out, host->since_ns, status->wall_ns);
    text_add(out, "<small>");
    markup_moment(out, host->since_ns);
    text_add(out, "</small></span></td><td class=\"num\" data-label=\"Next check\">");
    if (host->next_check_s < 0)
        text_add(out, MARKUP_DASH);
    else
        text_printf(out, "%.1f s", host->next_check_s);
    text_add(out, "</td>");
}

/* most  connections of the busiest host of the group: the whole of a bar where no limit is set */
static void add_open_cell(struct text *out, const struct status_host *host, uint64_t most)
{
    uint64_t open = status_gauge(host->figures.in_flight);
    uint64_t limit = (uint64_t)host->model->max_connections;
    text_add(out, "<td class=\"num gauge\" data-label=\"Open\"><span>");
    show_count(out, open);
    text_add(out, "</span><small>");
    if (limit > 0) {
        text_add(out, " / ");
        show_count(out, limit);
    }
    text_add(out, "</small>");
    markup_bar(out, open, limit > 0 ? limit : most, limit > 0);
    text_add(out, "</td>");
}

/* "out" for what nobody asked for, "asked" for what somebody did, so that the eye finds both. */
static const char *row_class(enum host_state state)
{
    if (state == HOST_UP)
        return "";
    return markup_is_fault(state) ? "out" : "asked";
}

/* A host of a group, as one service shows it. */
struct row {
    size_t service, place, group, host;
    uint64_t most; /* see add_open_cell */
};

static void add_row(struct text *out, const struct status *status, const struct row *row)
{
    struct status_host host;
    struct host_change_copy changes[HOST_CHANGES];
    status_read_host(status, row->group, row->host, &host);
    size_t n = status_read_changes(status, row->group, row->host, changes);
    const struct host_figures *figures = &host.figures;
    text_printf(out, "<tr id=\"s%zug%zuh%zu\" class=\"%s\"><td class=\"name\"><b>",
                row->service, row->place, row->host, row_class(host.state));
    text_add_html(out, host.model->name);
    text_add(out, "</b><span>");
    text_add_html(out, host.address);
    text_add(out, "</span></td>");
    add_state_cell(out, &host);
    add_why_cell(out, &host, changes, n);
    add_time_cells(out, status, &host);
    markup_count_cell(out, "Weight", host.weight, false);
    add_open_cell(out, &host, row->most);
    markup_count_cell(out, "Total", figures->connections_total, false);
    markup_rate_cell(out);
    markup_bytes_cell(out, "From clients", figures->bytes_in);
    markup_bytes_cell(out, "To clients", figures->bytes_out);
    markup_count_cell(out, "Failures", figures->failures_total, figures->failures_total > 0);
    text_add(out, "</tr>\n");
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

static void add_group_head(struct text *out, const struct status *status, size_t service,
                           size_t place)
{
    struct status_group group;
    status_read_group(status, status_group_at(status, service, place), &group);
    bool is_alone = status_count_groups(status, service) == 1;
    /* A dialog of the scripts tells it: checks that find a host down end its open connections. */
    text_printf(out, "<div class=\"group\"%s><h3>group <b>",
                group.model->on_down == ON_DOWN_CLOSE ? " data-cuts" : "");
    text_add_html(out, group.model->name);
    text_printf(out, "</b></h3><span class=\"role\"%s>", is_alone ? " hidden" : "");
    markup_badge(out, "", status_role_word(status_role(status, service, place)));
    text_printf(out, "</span><span>%s</span><span class=\"ups%s\">%zu of %zu usable",
                status_scheduler_word(group.model->scheduler),
                group.usable < group.model->n_hosts ? " few" : "", group.usable,
                group.model->n_hosts);
    if (group.ejected > 0)
        text_printf(out, ", %" PRIu32 " ejected", group.ejected);
    text_printf(out,
                "</span><span class=\"bad\"%s>fail open: all hosts are tried</span></div>\n",
                group.is_failing_open ? "" : " hidden");
}

static void add_table_head(struct text *out, const char *group)
{
    static const char *const heads[] = {"Since",        "Next check", "Weight",
                                        "Open",         "Total",      "Per second",
                                        "From clients", "To clients", "Failures"};
    text_add(out, "<div class=\"scroll\"><table class=\"hosts\" aria-label=\"Hosts of ");
    text_add_html(out, group);
    text_add(out, "\">\n<thead><tr><th scope=\"col\">Host</th><th scope=\"col\">State</th>"
                  "<th scope=\"col\">Why, last fault</th>");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        text_printf(out, "<th scope=\"col\" class=\"num\">%s</th>", heads[i]);
    text_add(out, "</tr></thead>\n<tbody>\n");
}

static void add_group(struct text *out, const struct status *status, size_t service,
                      size_t place)
{
    size_t index = status_group_at(status, service, place);
    struct row row = {
        .service = service, .place = place, .group = index, .most = most_open(status, index)};
    add_group_head(out, status, service, place);
    add_table_head(out, status->model->groups[index].name);
    for (row.host = 0; row.host < status->model->groups[index].n_hosts; row.host++)
        add_row(out, status, &row);
    text_add(out, "</tbody></table></div>\n");
}

void card_html(struct text *out, const struct status *status, size_t service)
{
    struct service_figures figures;
    status_read_service(status, service, &figures);
    text_printf(out, "<section class=\"card\" id=\"s%zu\">\n", service);
    add_service_head(out, &status->model->services[service], &figures);
    add_errors(out, &figures);
    add_expiry(out, status, service, false);
    add_expiry(out, status, service, true);
    add_waiting(out, status_gauge(figures.waiting));
    for (size_t place = 0; place < status_count_groups(status, service); place++)
        add_group(out, status, service, place);
    text_add(out, "</section>\n");
}

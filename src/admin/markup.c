/* SPDX-License-Identifier: MIT */
/* Writes pieces of HTML that parts of the page share. */
#include "admin/markup.h"

#include <inttypes.h>
#include <string.h>

#include "admin/show.h"
#include "base/clock.h"

void markup_badge(struct text *out, const char *id, const char *state)
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

void markup_bar(struct text *out, uint64_t part, uint64_t whole, bool is_limit)
{
    uint64_t width = whole > 0 ? part * 100 / whole : 0;
    text_printf(out,
                "<svg class=\"bar%s\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" "
                "aria-hidden=\"true\"><rect width=\"%" PRIu64 "\" height=\"4\"/></svg>",
                is_limit && part >= whole ? " full" : "", width < 100 ? width : 100);
}

void markup_count_cell(struct text *out, const char *label, uint64_t count, bool is_bad)
{
    text_printf(out, "<td class=\"num%s\" data-label=\"%s\">", is_bad ? " bad" : "", label);
    show_count(out, count);
    text_add(out, "</td>");
}

void markup_bytes_cell(struct text *out, const char *label, uint64_t bytes)
{
    text_printf(out, "<td class=\"num\" data-label=\"%s\">", label);
    show_bytes(out, bytes);
    text_add(out, "</td>");
}

void markup_rate_cell(struct text *out)
{
    text_add(out, "<td class=\"num\" data-label=\"Per second\">" MARKUP_DASH "</td>");
}

void markup_age(struct text *out, int64_t since_ns, int64_t wall_ns)
{
    text_add(out, "<time datetime=\"");
    show_time(out, since_ns);
    text_add(out, "\" title=\"");
    show_time(out, since_ns);
    text_add(out, "\">");
    if (since_ns != 0)
        show_duration(out, status_gauge(wall_ns - since_ns) / CLOCK_NS_PER_S);
    text_add(out, "</time>");
}

void markup_moment(struct text *out, int64_t wall_ns)
{
    size_t start = out->length;
    show_time(out, wall_ns);
    char *t = out->length > start ? strchr(out->at + start, 'T') : NULL;
    if (t != NULL)
        *t = ' ';
}

void markup_why(struct text *out, const struct status_host *host)
{
    if (host->state == HOST_ADMIN_DOWN) {
        text_add(out, "taken out by an administrator");
    } else if (host->state == HOST_DRAINING) {
        bool is_empty = status_gauge(host->figures.in_flight) == 0;
        text_add(out, is_empty ? "drained by an administrator"
                               : "being drained by an administrator");
        if (!is_empty && host->drain_left_s >= 0) {
            text_add(out, ", open ones are closed within ");
            show_duration(out, (uint64_t)host->drain_left_s);
        }
    } else {
        text_add_html(out, host->reason[0] != '\0' ? host->reason : "no fault so far");
    }
}

bool markup_is_fault(enum host_state state)
{
    return state == HOST_DOWN || state == HOST_EJECTED || state == HOST_UNRESOLVED;
}

/* SPDX-License-Identifier: MIT */
/* Two looks at running.json as lines: services, hosts with those first that matter, workers, and what they do a second. */
#include "ctl/tally.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/safe.h"

/* ---- figures ---- */

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool is_same(const json_t *one, const json_t *other, const char *key)
{
    return one != NULL && json_equal(json_object_get(one, key), json_object_get(other, key));
}

/* The array's object that has the same value at this key; it most often stands where it stood. */
static const json_t *same(const json_t *array, const json_t *object, const char *key,
                          size_t where)
{
    if (is_same(json_array_get(array, where), object, key))
        return json_array_get(array, where);
    for (size_t i = 0; i < json_array_size(array); i++)
        if (is_same(json_array_get(array, i), object, key))
            return json_array_get(array, i);
    return NULL;
}

/* What a counter has grown a second; 0 without an earlier look. */
static double rate(const struct tally *tally, const json_t *now, const json_t *then,
                   const char *key)
{
    double grown = number(now, key) - number(then, key);
    return then != NULL && tally->between_s > 0 && grown > 0 ? grown / tally->between_s : 0;
}

/* A host with where it stands and what it did. */
struct row {
    const json_t *host;
    const char *service, *group;
    double per_second;
    bool is_fault;
    size_t place; /* in the daemon's order, which decides between equals */
};

struct rows {
    struct row *at; /* owned */
    size_t n, capacity;
    size_t n_seen; /* with those that are not wanted */
    const char *filter;
};

static void add_row(struct rows *rows, const struct row *row)
{
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 64 : 2 * rows->capacity;
        struct row *grown = realloc(rows->at, capacity * sizeof *grown);
        if (grown == NULL)
            return;
        rows->at = grown;
        rows->capacity = capacity;
    }
    rows->at[rows->n++] = *row;
}

static bool is_fault(const json_t *host)
{
    const char *state = string(host, "state");
    return strcmp(state, "up") != 0 && strcmp(state, "draining") != 0 &&
           strcmp(state, "admin_down") != 0;
}

static int by_place(const struct row *a, const struct row *b)
{
    return a->place < b->place ? -1 : 1;
}

static int by_need(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->is_fault != b->is_fault)
        return a->is_fault ? -1 : 1;
    if (a->per_second != b->per_second)
        return a->per_second < b->per_second ? 1 : -1;
    return by_place(a, b);
}

static int by_open(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    double x = number(a->host, "connections"), y = number(b->host, "connections");
    if (x != y)
        return x < y ? 1 : -1;
    return by_place(a, b);
}

static int by_name(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(string(a->host, "name"), string(b->host, "name"));
    return order != 0 ? order : by_place(a, b);
}

static const struct {
    const char *word;
    int (*compare)(const void *left, const void *right);
} sorts[TALLY_SORTS] = {{"need", by_need}, {"open", by_open}, {"name", by_name}};

/* ---- the frame ---- */

static void add_padded(struct text *out, const char *text, size_t width)
{
    size_t before = out->length;
    safe_add(out, text, strlen(text), "");
    size_t have = out->at != NULL ? safe_width(out->at + before) : 0;
    text_printf(out, "%*s", have < width ? (int)(width - have) : 1, "");
}

/* Whether the host is among what was asked for by '/'. */
static bool is_wanted(const struct row *row, const char *filter)
{
    const char *const texts[] = {string(row->host, "name"),
                                 string(row->host, "address"),
                                 string(row->host, "state"),
                                 string(row->host, "reason"),
                                 row->service,
                                 row->group};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcasestr(texts[i], filter) != NULL)
            return true;
    return false;
}

/* The hosts of a group. */
static void gather_hosts(const struct tally *tally, const char *service, const json_t *group,
                         const json_t *then, struct rows *rows)
{
    const json_t *hosts = json_object_get(group, "hosts"),
                 *were = json_object_get(then, "hosts");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        struct row row = {.host = host,
                          .service = service,
                          .group = string(group, "name"),
                          .is_fault = is_fault(host),
                          .place = rows->n_seen++};
        row.per_second = rate(tally, host, same(were, host, "name", i), "connections_total");
        if (is_wanted(&row, rows->filter))
            add_row(rows, &row);
    }
}

static void add_services(struct text *out, const struct tally *tally, struct rows *rows)
{
    const json_t *services = json_object_get(tally->now, "services");
    text_printf(out, "%-20s %10s %10s %12s %12s %8s\n", "SERVICE", "OPEN", "NEW/S", "IN B/S",
                "OUT B/S", "WAITING");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const json_t *was = same(json_object_get(tally->then, "services"), service, "name", i);
        add_padded(out, string(service, "name"), 21);
        text_printf(out, "%10.0f %10.1f %12.0f %12.0f %8.0f\n", number(service, "connections"),
                    rate(tally, service, was, "connections_total"),
                    rate(tally, service, was, "bytes_in"),
                    rate(tally, service, was, "bytes_out"), number(service, "waiting"));
        const json_t *groups = json_object_get(service, "groups");
        for (size_t k = 0; k < json_array_size(groups); k++) {
            const json_t *group = json_array_get(groups, k);
            gather_hosts(tally, string(service, "name"), group,
                         same(json_object_get(was, "groups"), group, "name", k), rows);
        }
    }
}

static void add_hosts(struct text *out, struct rows *rows, int sort)
{
    if (rows->n > 1)
        qsort(rows->at, rows->n, sizeof *rows->at, sorts[sort].compare);
    text_printf(out, "\n%-20s %-30s %-11s %7s %10s %10s  %s\n", "HOST", "SERVICE/GROUP",
                "STATE", "WEIGHT", "OPEN", "NEW/S", "REASON");
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->at[i];
        struct text place = {0};
        text_printf(&place, "%s/%s", row->service, row->group);
        add_padded(out, string(row->host, "name"), 21);
        add_padded(out, place.at != NULL ? place.at : "", 31);
        text_printf(out, "%-11s %7.0f %10.0f %10.1f  ", string(row->host, "state"),
                    number(row->host, "weight"), number(row->host, "connections"),
                    row->per_second);
        const char *reason = string(row->host, "reason");
        safe_add(out, reason, strlen(reason), "");
        text_add(out, "\n");
        text_fini(&place);
    }
}

static void add_workers(struct text *out, const struct tally *tally)
{
    const json_t *workers = json_object_get(tally->now, "workers");
    text_printf(out, "\n%-10s %-9s %8s %10s %10s %7s %9s %8s\n", "WORKER", "STATE", "PID",
                "OPEN", "NEW/S", "LOAD", "LAG", "RESTARTS");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        const json_t *was = same(json_object_get(tally->then, "workers"), worker, "id", i);
        text_printf(out, "%-10.0f %-9s %8.0f %10.0f %10.1f %6.0f%% %6.1f ms %8.0f\n",
                    number(worker, "id"), string(worker, "state"), number(worker, "pid"),
                    number(worker, "connections"), rate(tally, worker, was, "accepted_total"),
                    100 * rate(tally, worker, was, "busy_s"), number(worker, "loop_lag_ms"),
                    number(worker, "restarts"));
    }
}

static void add_heading(struct text *out, const struct tally *tally,
                        const struct tally_view *view)
{
    text_add(out, "gaidaros ");
    safe_add(out, string(tally->now, "version"), strlen(string(tally->now, "version")), "");
    text_add(out, ", ");
    safe_add(out, string(tally->now, "state"), strlen(string(tally->now, "state")), "");
    text_printf(out, ", generation %.0f, up %.0f s; hosts by %s",
                number(tally->now, "generation"), number(tally->now, "uptime_s"),
                sorts[view->sort].word);
    if (view->filter[0] != '\0') {
        text_add(out, ", with ");
        safe_add(out, view->filter, strlen(view->filter), "");
    }
    text_add(out, view->is_paused ? "; paused\n\n" : "\n\n");
}

void tally_add_lines(struct text *out, const struct tally *tally, const struct tally_view *view)
{
    struct rows rows = {.filter = view->filter};
    if (tally->now == NULL)
        return;
    add_heading(out, tally, view);
    add_services(out, tally, &rows);
    add_hosts(out, &rows, view->sort);
    add_workers(out, tally);
    free(rows.at);
}

bool tally_take(struct tally *tally, const char *body, double looked_s)
{
    json_t *json = json_loads(body, 0, NULL);
    if (!json_is_array(json_object_get(json, "services"))) {
        json_decref(json);
        return false;
    }
    json_decref(tally->then);
    tally->then = tally->now;
    tally->now = json;
    tally->between_s = looked_s - tally->looked_s;
    tally->looked_s = looked_s;
    return true;
}

void tally_fini(struct tally *tally)
{
    json_decref(tally->now);
    json_decref(tally->then);
    *tally = (struct tally){0};
}

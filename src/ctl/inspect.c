/* SPDX-License-Identifier: MIT */
/* gaidarosctl connections, why: what is open, and all about one. */
#include "ctl/inspect.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/asked.h"
#include "ctl/exits.h"
#include "ctl/safe.h"

/* Letters that mean something in a query as %HH. */
static void add_encoded(struct text *out, const char *text, size_t length)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/@";
    for (; length > 0; text++, length--) {
        if (strchr(plain, *text) != NULL)
            text_append(out, text, 1);
        else
            text_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* ---- cells ---- */

/* A value as a person reads it, "-" for nothing. */
static void add_value(struct text *out, const json_t *value)
{
    text_append(out, "", 0);
    if (json_is_integer(value))
        text_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_number(value))
        text_printf(out, "%.1f", json_number_value(value));
    else if (json_is_boolean(value))
        text_add(out, json_is_true(value) ? "yes" : "no");
    else if (json_string_length(value) > 0)
        safe_add(out, json_string_value(value), json_string_length(value), "");
    else
        text_add(out, "-");
}

/* As one word, so that a script may take lines apart at blanks. */
static void add_cell(struct text *out, const json_t *value)
{
    size_t before = out->length;
    add_value(out, value);
    for (size_t i = before; i < out->length; i++)
        if (out->at[i] == ' ')
            out->at[i] = '?';
}

/* Fills up with blanks what was added since the length was before. */
static void pad(struct text *out, size_t before, size_t width)
{
    size_t have = out->at != NULL ? safe_width(out->at + before) : 0;
    for (; have < width; have++)
        text_add(out, " ");
}

static void print(struct text *text)
{
    if (text->failed)
        safe_complain("out of memory");
    else if (text->at != NULL)
        fputs(text->at, stdout);
    text_fini(text);
}

/* ---- the list ---- */

static const char *const columns[] = {"id",     "client", "service", "group",    "host",
                                      "worker", "phase",  "age_s",   "bytes_in", "bytes_out"};
enum { COLUMNS = sizeof columns / sizeof *columns };

static size_t column_width(const json_t *rows, const char *key)
{
    struct text cell = {0};
    size_t width = strlen(key);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        text_clear(&cell);
        add_cell(&cell, json_object_get(json_array_get(rows, i), key));
        size_t one = cell.at != NULL ? safe_width(cell.at) : 0;
        width = one > width ? one : width;
    }
    text_fini(&cell);
    return width;
}

static void print_table(const json_t *rows)
{
    size_t widths[COLUMNS];
    struct text out = {0};
    for (size_t k = 0; k < COLUMNS; k++) {
        bool is_last = k + 1 == COLUMNS;
        widths[k] = is_last ? 0 : column_width(rows, columns[k]);
        text_printf(&out, "%-*s%s", (int)widths[k], columns[k], is_last ? "\n" : "  ");
    }
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            size_t before = out.length;
            add_cell(&out, json_object_get(json_array_get(rows, i), columns[k]));
            pad(&out, before, widths[k]);
            text_add(&out, k + 1 < COLUMNS ? "  " : "\n");
        }
    print(&out);
}

int inspect_list(const char *socket, char **words, int n_words, bool is_json)
{
    struct text path = {0};
    text_add(&path, "/connections");
    for (int i = 0; i < n_words; i++) {
        const char *equals = strchr(words[i], '=');
        if (equals == NULL || equals == words[i]) {
            fprintf(stderr,
                    "gaidarosctl: connections takes FILTER=VALUE: service, group, host, "
                    "source, age, bytes, limit\n");
            text_fini(&path);
            return WRONG_USAGE;
        }
        text_add(&path, i == 0 ? "?" : "&");
        add_encoded(&path, words[i], (size_t)(equals - words[i]));
        text_add(&path, "=");
        add_encoded(&path, equals + 1, strlen(equals + 1));
    }
    json_t *json = NULL;
    int status = path.failed ? REFUSED
                 : is_json   ? asked_show(socket, path.at)
                             : asked_json(socket, path.at, &json);
    text_fini(&path);
    if (json != NULL)
        print_table(json_object_get(json, "connections"));
    json_decref(json);
    return status;
}

/* ---- one ---- */

enum { LABEL = 14, END_COLUMN = 26 };

/* Keys that the first lines tell in words; all others follow as they are. */
static const char *const told[] = {
    "id",       "client",    "service",    "group",    "host",      "address", "worker",
    "phase",    "since",     "age_s",      "idle_s",   "tries",     "chosen",  "timers",
    "bytes_in", "bytes_out", "client_tcp", "host_tcp", "generation"};

static bool is_told(const char *key)
{
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (strcmp(told[i], key) == 0)
            return true;
    return false;
}

/* "  LABEL  BEFORE value BEFORE value ...": each value with the words in front of it; a word of NULL ends them. */
static void add_line(struct text *out, const char *label, json_t *json,
                     const char *const words[][2])
{
    text_printf(out, "  %-*s ", LABEL, label);
    for (size_t i = 0; words[i][0] != NULL; i++) {
        text_add(out, words[i][0]);
        if (words[i][1] != NULL)
            add_value(out, json_object_get(json, words[i][1]));
    }
    text_add(out, "\n");
}

static bool has_words(json_t *json, const char *key)
{
    return json_string_length(json_object_get(json, key)) > 0;
}

static void add_story(struct text *out, json_t *json)
{
    static const char *const client[][2] = {{"", "client"}, {NULL}};
    static const char *const service[][2] = {
        {"", "service"}, {", worker ", "worker"}, {", generation ", "generation"}, {NULL}};
    static const char *const host[][2] = {
        {"", "host"}, {" of group ", "group"}, {", ", "address"}, {NULL}};
    static const char *const no_host[][2] = {{"none is chosen yet", NULL}, {NULL}};
    static const char *const chosen[][2] = {{"", "chosen"}, {"; tries: ", "tries"}, {NULL}};
    static const char *const phase[][2] = {{"", "phase"},
                                           {"; open for ", "age_s"},
                                           {" s, idle for ", "idle_s"},
                                           {" s", NULL},
                                           {NULL}};
    static const char *const bytes[][2] = {
        {"", "bytes_in"}, {" from the client, ", "bytes_out"}, {" to it", NULL}, {NULL}};
    static const char *const since[][2] = {{"", "since"}, {NULL}};
    add_line(out, "client", json, client);
    add_line(out, "service", json, service);
    add_line(out, "host", json, has_words(json, "host") ? host : no_host);
    if (has_words(json, "chosen"))
        add_line(out, "chosen by", json, chosen);
    add_line(out, "phase", json, phase);
    if (has_words(json, "since"))
        add_line(out, "since", json, since);
    add_line(out, "bytes", json, bytes);
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
        const char *key = json_object_iter_key(at);
        if (is_told(key))
            continue;
        size_t before = out->length;
        text_add(out, "  ");
        safe_add(out, key, strlen(key), "");
        pad(out, before, LABEL + 3);
        add_value(out, json_object_iter_value(at));
        text_add(out, "\n");
    }
}

static void add_timers(struct text *out, const json_t *timers)
{
    text_add(out, "limits that run\n");
    for (size_t i = 0; i < json_array_size(timers); i++) {
        const json_t *timer = json_array_get(timers, i);
        size_t before = out->length;
        text_add(out, "  ");
        add_value(out, json_object_get(timer, "name"));
        pad(out, before, LABEL + 3);
        text_printf(out, "%.1f s of %.1f s are left\n",
                    json_number_value(json_object_get(timer, "left_s")),
                    json_number_value(json_object_get(timer, "limit_s")));
    }
    if (json_array_size(timers) == 0)
        text_add(out, "  none\n");
}

/* Round trips within a house take less than a tenth of a millisecond. */
static void add_end_value(struct text *out, const json_t *value)
{
    if (json_is_real(value))
        text_printf(out, "%.3f", json_real_value(value));
    else
        add_value(out, value);
}

/* A line for a figure, of both ends. */
static void add_figure(struct text *out, const char *key, json_t *client, json_t *host)
{
    size_t before = out->length;
    text_add(out, "  ");
    safe_add(out, key, strlen(key), "");
    pad(out, before, LABEL + 3);
    before = out->length;
    add_end_value(out, json_object_get(client, key));
    pad(out, before, END_COLUMN);
    text_add(out, " ");
    add_end_value(out, json_object_get(host, key));
    text_add(out, "\n");
}

/* What the kernel says of both ends, side by side. */
static void add_ends(struct text *out, json_t *client, json_t *host)
{
    text_printf(out, "%-*s%-*s host's end%s\n", LABEL + 3, "TCP", END_COLUMN, "client's end",
                json_is_object(host) ? "" : " (no socket yet)");
    for (void *at = json_object_iter(client); at != NULL;
         at = json_object_iter_next(client, at))
        add_figure(out, json_object_iter_key(at), client, host);
    for (void *at = json_object_iter(host); at != NULL; at = json_object_iter_next(host, at))
        if (json_object_get(client, json_object_iter_key(at)) == NULL)
            add_figure(out, json_object_iter_key(at), client, host);
}

int inspect_one(const char *socket, const char *id, bool is_json)
{
    struct text path = {0}, out = {0};
    json_t *json = NULL;
    text_add(&path, "/connections/");
    add_encoded(&path, id, strlen(id));
    int status = path.failed ? REFUSED
                 : is_json   ? asked_show(socket, path.at)
                             : asked_json(socket, path.at, &json);
    text_fini(&path);
    if (json == NULL)
        return status;
    text_add(&out, "connection ");
    add_value(&out, json_object_get(json, "id"));
    text_add(&out, "\n");
    add_story(&out, json);
    add_timers(&out, json_object_get(json, "timers"));
    add_ends(&out, json_object_get(json, "client_tcp"), json_object_get(json, "host_tcp"));
    print(&out);
    json_decref(json);
    return status;
}

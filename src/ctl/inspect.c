/* SPDX-License-Identifier: MIT */
/* gaidarosctl connections, why: what is open, and all about one. */
#include "ctl/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "net/ask.h"

enum { DONE = 0, REFUSED = 1, WRONG_USAGE = 2, NO_DAEMON = 3 };

/* Letters that mean something in a query as %HH. */
static void add_encoded(struct text *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/@";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            text_append(out, text, 1);
        else
            text_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* Asks for the path; the JSON of the answer, or NULL with the exit status. Prints what there is to say. */
static json_t *fetch(const char *socket, const char *path, bool is_json, int *status)
{
    struct ask_answer answer = {0};
    struct text why = {0};
    json_t *json = NULL;
    *status = DONE;
    if (ask(socket, "GET", path, NULL, &answer, &why) != 0) {
        fprintf(stderr, "gaidarosctl: %s\n", why.at != NULL ? why.at : "out of memory");
        text_fini(&why);
        *status = NO_DAEMON;
        return NULL;
    }
    json = json_loads(answer.body.at, 0, NULL);
    if (answer.status != 200) {
        const char *said = json_string_value(json_object_get(json, "error"));
        fprintf(stderr, "gaidarosctl: %s\n", said != NULL ? said : answer.body.at);
        *status = REFUSED;
    } else if (is_json) {
        fputs(answer.body.at, stdout);
    } else if (json == NULL) {
        fprintf(stderr, "gaidarosctl: the daemon's answer is no JSON\n");
        *status = REFUSED;
    }
    text_fini(&answer.body);
    if (*status == DONE && !is_json)
        return json;
    json_decref(json);
    return NULL;
}

/* ---- the list ---- */

static const char *const columns[] = {"id",     "client", "service", "group",    "host",
                                      "worker", "phase",  "age_s",   "bytes_in", "bytes_out"};
enum { COLUMNS = sizeof columns / sizeof *columns, CELL_BYTES = 96 };

/* As one word, whatever it holds: "-" for nothing, control bytes and blanks as '?'. */
static void print_cell(char out[CELL_BYTES], const json_t *value)
{
    if (json_is_integer(value))
        snprintf(out, CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_number(value))
        snprintf(out, CELL_BYTES, "%.1f", json_number_value(value));
    else
        snprintf(out, CELL_BYTES, "%s",
                 json_string_length(value) > 0 ? json_string_value(value) : "-");
    for (char *c = out; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            *c = '?';
}

static void print_table(const json_t *rows)
{
    size_t widths[COLUMNS], n = json_array_size(rows);
    char cell[CELL_BYTES];
    for (size_t k = 0; k < COLUMNS; k++) {
        widths[k] = strlen(columns[k]);
        for (size_t i = 0; i < n; i++) {
            print_cell(cell, json_object_get(json_array_get(rows, i), columns[k]));
            widths[k] = strlen(cell) > widths[k] ? strlen(cell) : widths[k];
        }
    }
    for (size_t k = 0; k < COLUMNS; k++)
        printf("%-*s%s", k + 1 < COLUMNS ? (int)widths[k] : 0, columns[k],
               k + 1 < COLUMNS ? "  " : "\n");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            print_cell(cell, json_object_get(json_array_get(rows, i), columns[k]));
            printf("%-*s%s", k + 1 < COLUMNS ? (int)widths[k] : 0, cell,
                   k + 1 < COLUMNS ? "  " : "\n");
        }
}

int inspect_list(const char *socket, char **words, int n_words, bool is_json)
{
    struct text path = {0};
    int status;
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
        text_printf(&path, "%s%.*s=", i == 0 ? "?" : "&", (int)(equals - words[i]), words[i]);
        add_encoded(&path, equals + 1);
    }
    json_t *json = fetch(socket, path.at, is_json, &status);
    text_fini(&path);
    if (json != NULL)
        print_table(json_object_get(json, "connections"));
    json_decref(json);
    return status;
}

/* ---- one ---- */

static void print_pair(const char *key, const json_t *value)
{
    char cell[CELL_BYTES];
    if (json_is_string(value) && json_string_length(value) > 0 &&
        json_string_length(value) < CELL_BYTES)
        snprintf(cell, sizeof cell, "%s", json_string_value(value)); /* blanks are welcome */
    else
        print_cell(cell, value);
    for (char *c = cell; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    printf("  %-14s %s\n", key, cell);
}

static void print_end(const char *title, json_t *end)
{
    printf("%s\n", title);
    if (!json_is_object(end))
        printf("  no socket yet\n");
    for (void *at = json_object_iter(end); at != NULL; at = json_object_iter_next(end, at))
        print_pair(json_object_iter_key(at), json_object_iter_value(at));
}

static void print_timers(const json_t *timers)
{
    for (size_t i = 0; i < json_array_size(timers); i++) {
        const json_t *timer = json_array_get(timers, i);
        const char *name = json_string_value(json_object_get(timer, "name"));
        printf("  %-14s %.1f s of %.1f s are left\n", name != NULL ? name : "?",
               json_number_value(json_object_get(timer, "left_s")),
               json_number_value(json_object_get(timer, "limit_s")));
    }
}

int inspect_one(const char *socket, const char *id, bool is_json)
{
    struct text path = {0};
    int status;
    text_add(&path, "/connections/");
    add_encoded(&path, id);
    json_t *json = fetch(socket, path.at, is_json, &status);
    text_fini(&path);
    if (json == NULL)
        return status;
    printf("connection\n");
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at))
        if (!json_is_array(json_object_iter_value(at)) &&
            strstr(json_object_iter_key(at), "_tcp") == NULL)
            print_pair(json_object_iter_key(at), json_object_iter_value(at));
    printf("limits that run\n");
    print_timers(json_object_get(json, "timers"));
    print_end("client's end", json_object_get(json, "client_tcp"));
    print_end("host's end", json_object_get(json, "host_tcp"));
    json_decref(json);
    return status;
}

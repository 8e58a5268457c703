/* SPDX-License-Identifier: MIT */
/* gaidarosctl profile: where each worker's time goes. */
#include "ctl/loads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/asked.h"
#include "ctl/exits.h"
#include "ctl/safe.h"

enum { SECONDS_MOST = 60, COLUMN = 8 };

/* Every phase that any worker has, in the order they come; the values mean nothing. */
static json_t *gather_phases(const json_t *workers)
{
    json_t *all = json_object();
    for (size_t i = 0; i < json_array_size(workers); i++) {
        json_t *phases = json_object_get(json_array_get(workers, i), "phases");
        for (void *at = json_object_iter(phases); at != NULL;
             at = json_object_iter_next(phases, at))
            (void)json_object_set_new(all, json_object_iter_key(at), json_null());
    }
    return all;
}

/* A heading to the right of its column, which grows with it. */
static void print_heading(const char *name)
{
    struct text safe = {0};
    safe_add(&safe, name, strlen(name), "");
    int width = (int)safe_width(name) > COLUMN ? (int)safe_width(name) : COLUMN;
    printf("  %*s%s", width - (int)safe_width(name), "", safe.at != NULL ? safe.at : "");
    text_fini(&safe);
}

static void print_percent(double percent, const char *under)
{
    int width = (int)safe_width(under) > COLUMN ? (int)safe_width(under) : COLUMN;
    printf("  %*.1f", width, percent);
}

static void print_worker(const json_t *worker, json_t *all)
{
    const json_t *phases = json_object_get(worker, "phases");
    double wait = json_number_value(json_object_get(worker, "wait_pct")), sum = wait;
    printf("%6.0f  %8.0f", json_number_value(json_object_get(worker, "id")),
           json_number_value(json_object_get(worker, "pid")));
    print_percent(wait, "waiting");
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at)) {
        const char *phase = json_object_iter_key(at);
        double share = json_number_value(json_object_get(phases, phase));
        print_percent(share, phase);
        sum += share;
    }
    print_percent(sum, "sum");
    puts("");
}

static void print_table(const json_t *json)
{
    const json_t *workers = json_object_get(json, "workers");
    json_t *all = gather_phases(workers);
    printf("percent of %.0f s\n%6s  %8s", json_number_value(json_object_get(json, "seconds")),
           "worker", "pid");
    print_heading("waiting");
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at))
        print_heading(json_object_iter_key(at));
    print_heading("sum");
    puts("");
    for (size_t i = 0; i < json_array_size(workers); i++)
        print_worker(json_array_get(workers, i), all);
    json_decref(all);
}

int loads_run(const char *socket, const char *seconds, bool is_json)
{
    char path[64];
    json_t *json = NULL;
    size_t digits = strspn(seconds, "0123456789");
    long number = strtol(seconds, NULL, 10);
    if (digits == 0 || digits > 2 || seconds[digits] != '\0' || number < 1 ||
        number > SECONDS_MOST) {
        safe_complain("profile takes a number of seconds from 1 to 60");
        return WRONG_USAGE;
    }
    snprintf(path, sizeof path, "/profile?seconds=%ld", number);
    if (is_json)
        return asked_show(socket, path);
    int status = asked_json(socket, path, &json);
    if (status == DONE)
        print_table(json);
    json_decref(json);
    return status;
}

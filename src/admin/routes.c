/* SPDX-License-Identifier: MIT */
/* The table of what can be read with GET. */
#include "admin/routes.h"

#include <stddef.h>
#include <string.h>

#include "admin/assets.h"
#include "admin/configs.h"
#include "admin/figures.h"
#include "admin/listing.h"
#include "admin/page.h"
#include "admin/views.h"

enum { OK = 200, FORBIDDEN = 403, NOT_FOUND = 404, UNAVAILABLE = 503 };

struct route {
    const char *path, *type;
    enum access access; /* the least that may see it, where users are asked for */
    void (*view)(struct text *out, const struct status *status);
};

#define HTML "text/html; charset=utf-8"

static const struct route routes[] = {
    {"/", HTML, ACCESS_READONLY, page_html},
    {"/running", HTML, ACCESS_READONLY, page_html},
    {"/running.json", ANSWER_JSON, ACCESS_READONLY, view_json},
    {"/running.txt", ANSWER_PLAIN, ACCESS_READONLY, listing_text},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", ACCESS_READONLY, figures_text},
    {"/config", ANSWER_PLAIN, ACCESS_FULL, config_written},
    {"/config/running", ANSWER_PLAIN, ACCESS_FULL, config_running},
    {"/config/diff", ANSWER_PLAIN, ACCESS_FULL, config_diff},
};

static const char healthz[] = "/healthz";

static const struct route *route_find(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    }
    return NULL;
}

bool route_is_known(const char *path)
{
    return strcmp(path, healthz) == 0 || route_find(path) != NULL || asset_find(path) != NULL;
}

static void answer_health(const struct status *status, struct answer *answer)
{
    if (status == NULL)
        answer_plain(answer, UNAVAILABLE, "starting");
    else if (status_is_serving(status))
        answer_plain(answer, OK, "serving");
    else
        answer_plain(answer, UNAVAILABLE, status_is_draining(status) ? "draining" : "starting");
}

static void answer_asset(const struct asset *asset, struct answer *answer)
{
    answer->status = OK;
    answer->type = asset->type;
    text_clear(&answer->body);
    text_add(&answer->body, asset->text);
}

static void answer_view(const struct route *route, const struct status *status,
                        const struct viewer *viewer, struct answer *answer)
{
    if (viewer->user != NULL && viewer->access < route->access) {
        answer_plain(answer, FORBIDDEN, "403 this is for users with access full");
        return;
    }
    if (status == NULL) {
        answer_plain(answer, UNAVAILABLE, "503 starting");
        return;
    }
    answer->status = OK;
    answer->type = route->type;
    text_clear(&answer->body);
    route->view(&answer->body, status);
}

void route_answer(const char *path, const struct status *status, const struct viewer *viewer,
                  struct answer *answer)
{
    const struct route *route = route_find(path);
    const struct asset *asset = asset_find(path);
    if (strcmp(path, healthz) == 0)
        answer_health(status, answer);
    else if (route != NULL)
        answer_view(route, status, viewer, answer);
    else if (asset != NULL)
        answer_asset(asset, answer);
    else
        answer_plain(answer, NOT_FOUND, "404 there is nothing here; try /running");
}

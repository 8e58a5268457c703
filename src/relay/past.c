/* SPDX-License-Identifier: MIT */
/* Generations that are current no more, and have connections still: what these will not need is given back. */
#include "relay/past.h"

#include <malloc.h>

#include "relay/conn.h"
#include "tls/serverside.h"

/* Beyond the limit of time for openings itself. */
#define SLACK_NS (2 * CLOCK_NS_PER_S)

/* When the last client that came under it has shaken hands, or was ended. */
static uint64_t opened_ns(const struct generation *generation, uint64_t now_ns)
{
    int64_t most_ms = 0;
    for (size_t i = 0; i < generation->model->n_services; i++) {
        const struct model_service *service = &generation->model->services[i];
        bool is_asked = service->client_ocsp.source != OCSP_NO;
        int64_t ms = service->handshake_timeout_ms + (is_asked ? service->ocsp_timeout_ms : 0);
        if (ms > most_ms)
            most_ms = ms;
    }
    return now_ns + (uint64_t)most_ms * CLOCK_NS_PER_MS + SLACK_NS;
}

void past_add(struct relay *relay, struct generation *generation)
{
    generation_retire(generation);
    if (!generation->has_tls)
        return;
    if (relay->past.next == NULL)
        list_init(&relay->past);
    generation->opened_ns = opened_ns(generation, relay->now_ns);
    list_append(&relay->past, &generation->past);
}

void past_look(const struct relay *relay)
{
    if (relay->past.next == NULL)
        return;
    bool has_any = false;
    LIST_FOREACH_SAFE(node, after, &relay->past) {
        struct generation *generation = container_of(node, struct generation, past);
        /* A job of somebody who has left may be under way, or this process was held up itself. */
        if (relay->now_ns < generation->opened_ns || generation->n_shakes > 0)
            continue;
        list_remove(node);
        generation_shed(generation);
        has_any = true;
    }
    if (has_any) /* lists are of many small pieces, which would stay with this process */
        (void)malloc_trim(0);
}

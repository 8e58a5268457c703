/* SPDX-License-Identifier: MIT */
/* Run-time services, groups, hosts of one configuration, counted by the connections that use it. */
#include "relay/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/fetched.h"
#include "relay/origination.h"
#include "relay/termination.h"
#include "tls/serverside.h"
#include "tls/stream.h"

static int compare_numbers(const void *a, const void *b, void *argument)
{
    const struct host *hosts = argument;
    uint32_t left = hosts[*(const uint32_t *)a].number;
    uint32_t right = hosts[*(const uint32_t *)b].number;
    return left < right ? -1 : left > right;
}

static int compose_group(struct generation *generation, const struct generation_place *place,
                         size_t index)
{
    const struct model_group *model = &generation->model->groups[index];
    struct group_line *line = &generation->lines[index];
    struct group *group = &line->group;

    line->notes = calloc(model->n_hosts, sizeof *line->notes);
    group->model = model;
    group->segment = place->segment;
    group->slot = place->slot;
    group->random = place->random;
    group->number = generation->rows.groups[index];
    group->row = &place->segment->groups[group->number];
    group->n_hosts = (uint32_t)model->n_hosts;
    group->hosts = calloc(model->n_hosts, sizeof *group->hosts);
    line->by_number = calloc(model->n_hosts, sizeof *line->by_number);
    if (line->notes == NULL || group->hosts == NULL || line->by_number == NULL)
        return -1;
    for (size_t i = 0; i < model->n_hosts; i++) {
        uint32_t number = generation->rows.hosts[model->first_host + i];
        group->hosts[i] = (struct host){
            .model = &model->hosts[i], .row = &place->segment->hosts[number], .number = number};
        line->by_number[i] = (uint32_t)i;
    }
    qsort_r(line->by_number, model->n_hosts, sizeof *line->by_number, compare_numbers,
            group->hosts);
    group->eject = (struct host_eject_rules){
        .failures = (uint32_t)model->eject_failures,
        .time_ns = (uint64_t)model->eject_time_ms * CLOCK_NS_PER_MS,
        .most_percent = (uint32_t)model->eject_most,
        .n_hosts = group->n_hosts,
    };
    return pick_init(group);
}

static const char *congestion_of(const struct model_service *service,
                                 const struct model_group *group)
{
    return group->congestion[0] != '\0' ? group->congestion : service->congestion;
}

static void compose_way(struct generation *generation, const struct model_service *model,
                        size_t group, struct way *way)
{
    way->line = &generation->lines[group];
    way->host_options = (struct sock_options){
        .nodelay = model->nodelay,
        .keepalive = model->keepalive,
        .user_timeout_ms = model->user_timeout_ms,
        .congestion = congestion_of(model, &generation->model->groups[group]),
    };
}

static int compose_entrances(struct service *service)
{
    const struct model_service *model = service->model;

    service->entrances = calloc(model->n_listens, sizeof *service->entrances);
    if (service->entrances == NULL)
        return -1;
    for (size_t i = 0; i < model->n_listens; i++) {
        const struct model_listen *listen = &model->listens[i];
        service->entrances[i].model = listen;
        if (netset_init(&service->entrances[i].proxies, listen->proxies, listen->n_proxies) !=
            0)
            return -1;
    }
    return 0;
}

static int compose_service(struct generation *generation, const struct generation_place *place,
                           size_t index)
{
    const struct model_service *model = &generation->model->services[index];
    struct service *service = &generation->services[index];

    service->model = model;
    service->number = generation->rows.services[index];
    service->shard = service_shard(place->segment, place->slot, service->number);
    service->row = &place->segment->services[service->number];
    service->limits = (struct source_limits){.most_open = model->max_connections_per_source,
                                             .rate_per_hour = model->connection_rate_per_source,
                                             .burst = model->connection_rate_burst};
    service->ways = calloc(model->n_places, sizeof *service->ways);
    if (service->ways == NULL || compose_entrances(service) != 0 ||
        netset_init(&service->allow, model->allow, model->n_allow) != 0 ||
        netset_init(&service->deny, model->deny, model->n_deny) != 0)
        return -1;
    service->n_ways = (uint32_t)model->n_places;
    service->n_reserve = (uint32_t)model->n_standby + 1;
    for (uint32_t i = 0; i < service->n_ways; i++) {
        size_t group = model->places[i];
        compose_way(generation, model, group, &service->ways[i]);
        service->sends_proxy |= generation->model->groups[group].send_proxy != SEND_PROXY_NO;
    }
    for (size_t i = 0; i < model->n_routes; i++)
        service->looks_ahead |= model->routes[i].kind != ROUTE_SOURCE;
    return 0;
}

/* A bundle is master's own work; what does not fit together is still refused, never trusted. */
static bool rows_fit(const struct generation *generation)
{
    const struct model *model = generation->model;
    const struct bundle_rows *rows = &generation->rows;

    if (rows->n_services != model->n_services || rows->n_groups != model->n_groups ||
        rows->n_hosts != model->n_hosts || rows->n_listeners != model->n_listens)
        return false;
    for (size_t i = 0; i < rows->n_services; i++)
        if (rows->services[i] >= SEGMENT_SERVICES)
            return false;
    for (size_t i = 0; i < rows->n_groups; i++)
        if (rows->groups[i] >= SEGMENT_GROUPS)
            return false;
    for (size_t i = 0; i < rows->n_hosts; i++)
        if (rows->hosts[i] >= SEGMENT_HOSTS)
            return false;
    return true;
}

/* Closes the parked sockets of all ways; returns how many there were. */
static uint32_t close_ways(struct service *service)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < service->n_ways; i++)
        n += parked_close(&service->ways[i].parked);
    return n;
}

static void free_entrances(struct service *service)
{
    for (size_t i = 0; service->entrances != NULL && i < service->model->n_listens; i++)
        netset_fini(&service->entrances[i].proxies);
    free(service->entrances);
}

static void free_sessions(const struct group_line *line)
{
    for (size_t i = 0; line->notes != NULL && i < line->group.n_hosts; i++)
        tls_session_free(line->notes[i].session);
}

static void generation_free(struct generation *generation)
{
    if (list_is_linked(&generation->past))
        list_remove(&generation->past);
    for (size_t i = 0; generation->services != NULL && i < generation->model->n_services; i++) {
        close_ways(&generation->services[i]);
        free_entrances(&generation->services[i]);
        netset_fini(&generation->services[i].allow);
        netset_fini(&generation->services[i].deny);
        tls_server_free(generation->services[i].tls);
        free(generation->services[i].ways);
    }
    for (size_t i = 0; generation->lines != NULL && i < generation->model->n_groups; i++) {
        pick_fini(&generation->lines[i].group);
        free(generation->lines[i].group.hosts);
        free_sessions(&generation->lines[i]);
        tls_trust_free(generation->lines[i].trust);
        free(generation->lines[i].notes);
        free(generation->lines[i].by_number);
    }
    free(generation->services);
    free(generation->lines);
    conf_free(generation->model);
    free(generation);
}

/* Every service is looked at: all that is wrong is told at once. */
static bool prepare_tls(struct generation *generation, const struct generation_place *place,
                        struct problems *problems)
{
    const struct model *model = generation->model;
    bool is_good = true;
    for (size_t i = 0; i < model->n_services; i++)
        is_good &=
            termination_prepare(&generation->services[i], model, place->segment, problems);
    for (size_t i = 0; i < model->n_groups; i++)
        is_good &= origination_prepare(&generation->lines[i], model, problems);
    for (size_t i = 0; i < model->n_services; i++)
        generation->has_tls |= generation->services[i].tls != NULL;
    for (size_t i = 0; i < model->n_groups; i++)
        generation->has_tls |= generation->lines[i].trust != NULL;
    return is_good;
}

static int compose(struct generation *generation, const struct generation_place *place)
{
    const struct model *model = generation->model;

    generation->lines = calloc(model->n_groups + 1, sizeof *generation->lines);
    generation->services = calloc(model->n_services + 1, sizeof *generation->services);
    if (generation->lines == NULL || generation->services == NULL)
        return -1;
    for (size_t i = 0; i < model->n_groups; i++)
        if (compose_group(generation, place, i) != 0)
            return -1;
    for (size_t i = 0; i < model->n_services; i++)
        if (compose_service(generation, place, i) != 0)
            return -1;
    return 0;
}

struct generation *generation_new(const struct generation_place *place, int bundle_fd,
                                  int keys_fd, uint64_t id, struct problems *problems)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL)
        goto fail;
    generation->id = id;
    generation->references = 1;
    generation->model =
        bundle_unpack_whole(bundle_fd, keys_fd, KEY_OF_WORKERS, &generation->rows, problems);
    if (generation->model == NULL) {
        free(generation);
        return NULL;
    }
    if (!rows_fit(generation)) {
        errno = EPROTO;
        goto fail;
    }
    if (compose(generation, place) != 0)
        goto fail;
    if (prepare_tls(generation, place, problems)) {
        store_wipe_keys(generation->model->store); /* OpenSSL has its own form of them */
        fetched_release(generation->model);        /* and of these */
        return generation;
    }
    generation_free(generation);
    return NULL;
fail:
    problems_add(problems, NULL, NULL, NULL, "cannot prepare the configuration: %s",
                 strerror(errno));
    if (generation != NULL)
        generation_free(generation);
    return NULL;
}

static void close_parked(struct generation *generation)
{
    for (size_t i = 0; i < generation->model->n_services; i++)
        if (generation->parked_count != NULL)
            *generation->parked_count -= close_ways(&generation->services[i]);
}

void generation_retire(struct generation *generation)
{
    generation->is_past = true;
    close_parked(generation);
}

void generation_shed(struct generation *generation)
{
    for (size_t i = 0; i < generation->model->n_services; i++) {
        tls_server_retire(generation->services[i].tls);
        generation->services[i].tls = NULL;
    }
}

bool generation_find_host(const struct group_line *line, uint32_t number, uint32_t *index_out)
{
    uint32_t low = 0, high = line->group.n_hosts;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (line->group.hosts[line->by_number[middle]].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == line->group.n_hosts || line->group.hosts[line->by_number[low]].number != number)
        return false;
    *index_out = line->by_number[low];
    return true;
}

struct generation *generation_get(struct generation *generation)
{
    generation->references++;
    return generation;
}

void generation_put(struct generation *generation)
{
    void (*on_free)(void *owner, uint64_t id) = generation->on_free;
    void *owner = generation->owner;
    uint64_t id = generation->id;

    if (--generation->references > 0)
        return;
    close_parked(generation);
    generation_free(generation);
    if (on_free != NULL)
        on_free(owner, id);
}

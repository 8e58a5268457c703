/* SPDX-License-Identifier: MIT */
/* The schedulers there are, with what they all need. */
#include "balance/scheduler.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "net/addr.h"

const struct scheduler *scheduler_find(enum scheduler_kind kind)
{
    static const struct scheduler *const schedulers[] = {
        [SCHEDULER_ROUNDROBIN] = &scheduler_roundrobin,
        [SCHEDULER_LEASTCONN] = &scheduler_leastconn,
        [SCHEDULER_RANDOM] = &scheduler_random,
        [SCHEDULER_WEIGHTED] = &scheduler_weighted,
        [SCHEDULER_TWOCHOICES] = &scheduler_twochoices,
        [SCHEDULER_SOURCE] = &scheduler_source,
        [SCHEDULER_MAGLEV] = &scheduler_maglev,
        [SCHEDULER_FIRST] = &scheduler_first,
    };
    if ((size_t)kind >= sizeof schedulers / sizeof schedulers[0])
        return NULL;
    return schedulers[kind];
}

/* The hashes by which clients find their hosts must stay what they are: no secret goes in. */
static const struct hash_key no_secret;

bool scheduler_client_key(const struct addr *client, uint64_t *key_out)
{
    if (!scheduler_has_key(&(struct pick_request){.client = client}))
        return false;
    struct addr plain = *client;
    addr_unmap(&plain);
    if (plain.any.sa_family == AF_INET)
        *key_out = hash_bytes(&no_secret, &plain.in.sin_addr, sizeof plain.in.sin_addr);
    else
        *key_out = hash_bytes(&no_secret, &plain.in6.sin6_addr, sizeof plain.in6.sin6_addr);
    return true;
}

bool scheduler_has_key(const struct pick_request *request)
{
    return request->client != NULL && (request->client->any.sa_family == AF_INET ||
                                       request->client->any.sa_family == AF_INET6);
}

uint64_t scheduler_identity(const struct host *host)
{
    return hash_bytes(&no_secret, host->model->name, strlen(host->model->name));
}

bool scheduler_is_tried(const struct pick_request *request, uint32_t index)
{
    for (uint32_t i = 0; i < request->n_tried; i++)
        if (request->tried[i] == index)
            return true;
    return false;
}

uint32_t scheduler_warmth(const struct group *group, uint64_t now_ns, uint32_t index)
{
    if (!group->may_be_cold)
        return HOST_WARM;
    const struct host *host = &group->hosts[index];
    return host_warmth(host->row, (uint64_t)host->model->slow_start_ms * CLOCK_NS_PER_MS,
                       now_ns);
}

bool scheduler_is_warm(const struct group *group, const struct pick_request *request,
                       uint32_t index)
{
    uint32_t warmth = scheduler_warmth(group, request->now_ns, index);

    if (warmth >= HOST_WARM)
        return true;
    /* The row's number: the keys that may not go to one host must not be the same as at the next. */
    uint64_t lot = hash_mix(request->key ^ hash_mix(group->hosts[index].number + UINT64_C(1)));
    return lot % HOST_WARM < warmth;
}

bool scheduler_claim(const struct group *group, uint32_t index)
{
    const struct host *host = &group->hosts[index];

    return host_claim(group->segment, group->slot, host->number, host->limit);
}

int32_t scheduler_scan(const struct group *group, const struct pick_request *request,
                       uint32_t first)
{
    for (uint32_t n = 0; n < group->n_usable; n++) {
        uint32_t at = first + n < group->n_usable ? first + n : first + n - group->n_usable;
        uint32_t index = group->usable[at];
        if (!scheduler_is_tried(request, index) && scheduler_claim(group, index))
            return (int32_t)index;
    }
    return -1;
}

uint32_t scheduler_weight(const struct group *group, uint32_t index)
{
    uint32_t weight = atomic_load(&group->hosts[index].row->weight);

    return weight > 0 ? weight : 1;
}

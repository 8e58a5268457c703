/* SPDX-License-Identifier: MIT */
/* Who may be chosen, then the scheduler's choice. */
#include "balance/pick.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

/* Whether the list of the usable may have changed since it was made. */
static bool is_outdated(const struct group *group, uint64_t now_ns)
{
    return !group->is_built || atomic_load(&group->row->epoch) != group->built_epoch ||
           now_ns >= group->next_readmit_ns;
}

/* Whether an admin lets connections go there, and it is known where that is. */
static bool is_allowed(const struct host_row *row)
{
    return atomic_load(&row->admin) == ADMIN_UP && atomic_load(&row->weight) > 0 &&
           atomic_load(&row->health) != HEALTH_UNRESOLVED;
}

static void list_usable(struct group *group, uint64_t now_ns)
{
    uint32_t n_allowed = 0;

    group->n_usable = 0;
    group->next_readmit_ns = UINT64_MAX;
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        const struct host_row *row = group->hosts[i].row;
        uint64_t until_ns = atomic_load(&row->ejected_until_ns);
        n_allowed += is_allowed(row);
        if (until_ns > now_ns) {
            if (until_ns < group->next_readmit_ns)
                group->next_readmit_ns = until_ns;
        } else if (host_is_usable(row, now_ns)) {
            group->usable[group->n_usable++] = i;
        }
    }
    group->is_open = (uint64_t)group->n_usable * 100 <
                     (uint64_t)n_allowed * (uint64_t)group->model->fail_open;
}

/* So few are usable that more likely the judgement is at fault than the hosts. */
static void list_allowed(struct group *group)
{
    group->n_usable = 0;
    for (uint32_t i = 0; i < group->n_hosts; i++)
        if (is_allowed(group->hosts[i].row))
            group->usable[group->n_usable++] = i;
}

static void take_limits(struct group *group)
{
    group->has_limits = false;
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        group->hosts[i].limit = group->hosts[i].model->max_connections;
        group->has_limits |= group->hosts[i].limit > 0;
    }
}

static void find_cold(struct group *group, uint64_t now_ns)
{
    group->may_be_cold = false;
    group->all_warm_ns = 0;
    for (uint32_t i = 0; i < group->n_usable; i++) {
        const struct host *host = &group->hosts[group->usable[i]];
        uint64_t slow_start_ns = (uint64_t)host->model->slow_start_ms * CLOCK_NS_PER_MS;
        if (host_warmth(host->row, slow_start_ns, now_ns) >= HOST_WARM)
            continue;
        uint64_t until_ns = atomic_load(&host->row->returned_ns) + slow_start_ns;
        group->may_be_cold = true;
        if (until_ns > group->all_warm_ns)
            group->all_warm_ns = until_ns;
    }
}

static int rebuild(struct group *group, uint64_t now_ns)
{
    for (uint32_t i = 0; i < group->n_hosts; i++)
        host_readmit(group->segment, group->hosts[i].number, now_ns);
    /* Before the rows: a change that comes meanwhile moves it again, and we come back. */
    group->built_epoch = atomic_load(&group->row->epoch);
    take_limits(group);
    list_usable(group, now_ns);
    if (group->is_open)
        list_allowed(group);
    find_cold(group, now_ns);
    group->is_built = group->n_usable == 0 || group->scheduler->prepare(group) == 0;
    return group->is_built ? 0 : -1;
}

int pick_init(struct group *group)
{
    group->scheduler = scheduler_find(group->model->scheduler);
    if (group->scheduler == NULL) {
        errno = ENOTSUP;
        return -1;
    }
    group->usable = calloc((size_t)group->n_hosts + 1, sizeof *group->usable);
    if (group->usable == NULL)
        return -1;
    group->prepared = NULL;
    group->n_usable = 0;
    group->is_built = false;
    group->next_readmit_ns = UINT64_MAX;
    take_limits(group);
    /* A table is made where nobody waits for it: not by the first client. */
    return group->scheduler->is_keyed ? rebuild(group, clock_now_ns()) : 0;
}

void pick_fini(struct group *group)
{
    if (group->scheduler != NULL && group->scheduler->fini != NULL)
        group->scheduler->fini(group);
    free(group->usable);
    group->usable = NULL;
    group->n_usable = 0;
    group->is_built = false;
}

/* Chooses for a request whose key counts. */
static int32_t choose_by_key(struct group *group, const struct pick_request *request)
{
    struct pick_request keyed = *request;

    if (!group->scheduler->is_keyed || !scheduler_client_key(request->client, &keyed.key))
        keyed.key = random_next(group->random);
    return group->scheduler->choose(group, &keyed);
}

static bool has_untried(const struct group *group, const struct pick_request *request)
{
    /* Each tried host can be but one of the usable. */
    if (group->n_usable > request->n_tried)
        return true;
    for (uint32_t i = 0; i < group->n_usable; i++)
        if (!scheduler_is_tried(request, group->usable[i]))
            return true;
    return false;
}

/* Brings the list of the usable up to date; false when memory is out. */
static bool refresh(struct group *group, uint64_t now_ns)
{
    return !is_outdated(group, now_ns) || rebuild(group, now_ns) == 0;
}

bool pick_has_any(struct group *group, const struct pick_request *request)
{
    return refresh(group, request->now_ns) && has_untried(group, request);
}

static bool is_listed(const struct group *group, uint32_t index)
{
    for (uint32_t i = 0; i < group->n_usable; i++)
        if (group->usable[i] == index)
            return true;
    return false;
}

enum pick_verdict pick_exactly(struct group *group, const struct pick_request *request,
                               uint32_t index)
{
    if (!refresh(group, request->now_ns) || scheduler_is_tried(request, index))
        return PICK_NONE;
    if (!host_is_usable(group->hosts[index].row, request->now_ns) &&
        !(group->is_open && is_listed(group, index)))
        return PICK_NONE;
    return scheduler_claim(group, index) ? PICK_CHOSEN : PICK_FULL;
}

enum pick_verdict pick_host(struct group *group, const struct pick_request *request,
                            uint32_t *index_out)
{
    assert(request->n_tried <= PICK_MOST_TRIED);
    if (!refresh(group, request->now_ns))
        return PICK_NONE; /* out of memory: this connection ends, the next pick tries again */
    if (!has_untried(group, request))
        return PICK_NONE;
    if (group->may_be_cold && request->now_ns >= group->all_warm_ns)
        group->may_be_cold = false;
    bool needs_key = group->scheduler->is_keyed || group->may_be_cold;
    int32_t index =
        needs_key ? choose_by_key(group, request) : group->scheduler->choose(group, request);
    if (index < 0)
        return PICK_FULL;
    *index_out = (uint32_t)index;
    return PICK_CHOSEN;
}

void pick_release(struct group *group, uint32_t index)
{
    host_release(group->segment, group->slot, group->hosts[index].number);
}

/* SPDX-License-Identifier: MIT */
/* Who may be chosen, then the scheduler's choice. */
#include "balance/pick.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

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
    return 0;
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

/* Whether the list of the usable may have changed since it was made. */
static bool is_outdated(const struct group *group, uint64_t now_ns)
{
    return !group->is_built || atomic_load(&group->row->epoch) != group->built_epoch ||
           now_ns >= group->next_readmit_ns;
}

static void list_usable(struct group *group, uint64_t now_ns)
{
    group->n_usable = 0;
    group->next_readmit_ns = UINT64_MAX;
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        const struct host_row *row = group->hosts[i].row;
        uint64_t until_ns = atomic_load(&row->ejected_until_ns);
        if (until_ns > now_ns) {
            if (until_ns < group->next_readmit_ns)
                group->next_readmit_ns = until_ns;
        } else if (host_is_usable(row, now_ns)) {
            group->usable[group->n_usable++] = i;
        }
    }
}

static int rebuild(struct group *group, uint64_t now_ns)
{
    for (uint32_t i = 0; i < group->n_hosts; i++)
        host_readmit(group->segment, group->hosts[i].number, now_ns);
    /* Before the rows: a change that comes meanwhile moves it again, and we come back. */
    group->built_epoch = atomic_load(&group->row->epoch);
    list_usable(group, now_ns);
    group->is_built = group->n_usable == 0 || group->scheduler->prepare(group) == 0;
    return group->is_built ? 0 : -1;
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
    if (is_outdated(group, request->now_ns) && rebuild(group, request->now_ns) != 0)
        return PICK_NONE; /* out of memory: this connection ends, the next pick tries again */
    if (!has_untried(group, request))
        return PICK_NONE;
    int32_t index = group->scheduler->choose(group, request);
    if (index < 0)
        return PICK_FULL;
    *index_out = (uint32_t)index;
    return PICK_CHOSEN;
}

void pick_release(struct group *group, uint32_t index)
{
    host_release(group->segment, group->slot, group->hosts[index].number);
}

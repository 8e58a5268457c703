/* SPDX-License-Identifier: MIT */
/* The configurations that some process still uses. */
#include "master/editions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/context.h"

struct edition *editions_add(struct rollout *rollout, struct model *model)
{
    struct edition *edition = calloc(1, sizeof *edition);
    if (edition == NULL)
        return NULL;
    edition->generation = ++rollout->last_generation;
    edition->model = model;
    edition->bundle_fd = -1;
    list_append(&rollout->editions, &edition->node);
    rollout->next = edition;
    return edition;
}

void editions_release(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    uint32_t n_used = 0;
    LIST_FOREACH_SAFE(node, after, &rollout->editions) {
        struct edition *edition = container_of(node, struct edition, node);
        bool is_used = edition == rollout->current || edition == rollout->next;
        for (uint32_t place = 0; place < CHILD_PLACES && !is_used; place++)
            is_used = edition->is_held[place];
        n_used += is_used;
        if (is_used)
            continue;
        list_remove(&edition->node);
        rows_give(master->rows, &edition->rows);
        if (edition->bundle_fd >= 0)
            close(edition->bundle_fd);
        if (edition->model != master->boot)
            conf_free(edition->model);
        free(edition);
    }
    atomic_store(&master->segment.daemon->generations, n_used);
}

struct edition *editions_find(const struct rollout *rollout, uint64_t generation)
{
    LIST_FOREACH(node, &rollout->editions) {
        struct edition *edition = container_of(node, struct edition, node);
        if (edition->generation == generation)
            return edition;
    }
    return NULL;
}

void editions_forget(struct master *master, const struct child *child)
{
    LIST_FOREACH(node, &master->rollout.editions) {
        container_of(node, struct edition, node)->is_held[child->place] = false;
    }
    editions_release(master);
}

void editions_free_all(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    rollout->current = rollout->next = NULL;
    LIST_FOREACH(node, &rollout->editions) {
        struct edition *edition = container_of(node, struct edition, node);
        memset(edition->is_held, 0, sizeof edition->is_held);
    }
    editions_release(master);
}

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
    edition->keys = BUNDLE_NO_KEYS;
    list_append(&rollout->editions, &edition->node);
    rollout->next = edition;
    return edition;
}

static bool is_used(const struct rollout *rollout, const struct edition *edition)
{
    if (edition == rollout->current || edition == rollout->next)
        return true;
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        if (edition->is_held[place])
            return true;
    return false;
}

static bool is_named(const struct rollout *rollout, const struct edition *edition)
{
    LIST_FOREACH(node, &rollout->editions) {
        if (container_of(node, struct edition, node)->written == edition)
            return true;
    }
    return false;
}

static void free_edition(struct master *master, struct edition *edition)
{
    list_remove(&edition->node);
    rows_give(master->rows, &edition->rows);
    if (edition->bundle_fd >= 0)
        close(edition->bundle_fd);
    bundle_close_keys(&edition->keys);
    if (edition->model != master->boot)
        conf_free(edition->model);
    text_fini(&edition->edits);
    free(edition);
}

/* Youngest first: an edition names older ones alone, so what only an unused one names goes, too. */
void editions_release(struct master *master)
{
    struct rollout *rollout = &master->rollout;
    uint32_t n_used = 0;
    struct list_node *older = NULL;
    for (struct list_node *node = rollout->editions.prev; node != &rollout->editions;
         node = older) {
        struct edition *edition = container_of(node, struct edition, node);
        bool is_in_use = is_used(rollout, edition);
        older = node->prev;
        n_used += is_in_use;
        if (!is_in_use && is_named(rollout, edition))
            rows_give(master->rows, &edition->rows);
        else if (!is_in_use)
            free_edition(master, edition);
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

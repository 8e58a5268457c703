/* SPDX-License-Identifier: MIT */
/* Who accepts for a worker that does not. */
#include "master/adoption.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/context.h"
#include "master/greeting.h"

static bool is_stuck(const struct master *master, const struct child *child)
{
    return child->state == CHILD_UP &&
           supervisor_stage_of(master->supervisor, child->place) >= STAGE_ADOPT;
}

/* True when nobody accepts on the sockets of the slot, if it has any. */
static bool is_orphaned(const struct master *master, const struct child *child, uint64_t now_ns)
{
    if (master->listeners.is_going[child->place])
        return !departure_is_given_up(master, child->place);
    switch (child->state) {
    case CHILD_ABSENT:
        return master->phase == MASTER_DRAINING; /* nobody is replaced any more */
    case CHILD_WAITING:
        return true;
    case CHILD_STARTING:
        return now_ns - child->started_ns >
               (uint64_t)master->rollout.current->model->global.adopt_timeout_ms *
                   CLOCK_NS_PER_MS;
    case CHILD_UP:
        return is_stuck(master, child);
    }
    return false;
}

static bool needs_adopter(const struct master *master, const struct child *child,
                          uint64_t now_ns)
{
    return master->rollout.current != NULL && is_orphaned(master, child, now_ns) &&
           listeners_has_slot(&master->listeners, child->place);
}

static bool can_adopt(const struct master *master, const struct child *child)
{
    return child->state == CHILD_UP && !child->is_leaving && !is_stuck(master, child);
}

static size_t count_adopted(const struct master *master, uint32_t adopter)
{
    size_t n = 0;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        n += master->children.places[slot].adopter == adopter;
    return n;
}

/*
 * The one that accepts for the fewest others, of these the one with the fewest connections: a set
 * of sockets is descriptors, of which a worker has only so many to spare (see privileges.c).
 */
static uint32_t find_adopter(const struct master *master, const struct child *orphan)
{
    uint32_t best = CHILD_PLACES;
    size_t least = SIZE_MAX;
    uint64_t fewest = UINT64_MAX;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        const struct child *child = &master->children.places[slot];
        if (child == orphan || !can_adopt(master, child))
            continue;
        uint64_t connections = atomic_load(&master->segment.slots[slot].connections);
        size_t adopted = count_adopted(master, slot);
        if (adopted > least || (adopted == least && connections >= fewest))
            continue;
        least = adopted;
        fewest = connections;
        best = slot;
    }
    return best;
}

static void release(struct master *master, struct child *orphan)
{
    if (orphan->adopter != CHILD_PLACES)
        child_tell(&master->children.places[orphan->adopter], MSG_RELEASE, 0, orphan->place);
    orphan->adopter = CHILD_PLACES;
}

static void adopt(struct master *master, struct child *orphan, uint32_t adopter)
{
    struct listener_batch batch = {0};
    if (adopter == CHILD_PLACES)
        return;
    if (listeners_collect(&master->listeners, orphan->place, &batch) != 0)
        log_error("out of memory: clients of worker %u have to wait", orphan->place);
    greeting_lend(&master->children.places[adopter], MSG_ADOPT, orphan->place, &batch);
    listener_batch_fini(&batch);
    orphan->adopter = adopter;
    log_debug("worker %u accepts for worker %u", adopter, orphan->place);
}

void adoption_review(struct master *master)
{
    uint64_t now_ns = clock_now_ns();
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        struct child *child = &master->children.places[slot];
        bool is_adopted = child->adopter != CHILD_PLACES;
        if (!needs_adopter(master, child, now_ns)) {
            release(master, child);
            continue;
        }
        if (is_adopted && can_adopt(master, &master->children.places[child->adopter]))
            continue;
        uint32_t adopter = find_adopter(master, child);
        if (adopter == CHILD_PLACES)
            continue;
        release(master, child);
        adopt(master, child, adopter);
    }
}

void adoption_renew_all(struct master *master)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        struct child *child = &master->children.places[slot];
        uint32_t adopter = child->adopter;
        if (adopter == CHILD_PLACES)
            continue;
        release(master, child);
        adopt(master, child, adopter);
    }
}

void adoption_forget(struct master *master, const struct child *child)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (master->children.places[slot].adopter == child->place)
            master->children.places[slot].adopter = CHILD_PLACES;
}

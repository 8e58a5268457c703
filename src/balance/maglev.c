/* SPDX-License-Identifier: MIT */
/* Scheduler maglev: the client's address finds its host in a table, the same on every balancer. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "balance/order.h"

/*
 * How it works. As in "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud and
 * others, NSDI 2016), section 3.4: each host goes through the slots of a table in an order of its own,
 * which follows from its name, and hosts take turns at claiming the next slot of theirs that is free,
 * until all are taken. A key's slot is the key modulo the table's length, which is prime.
 *
 * The paper says of weights only that turns are to be in proportion. Here a host of weight w has
 * its turns at the times 1/w, 2/w, 3/w, …, so that nobody's turns depend on who else there is.
 * Hosts of one weight have theirs together; those are kept as a class, the classes in a heap by
 * the time of their next turn. Within a class the hosts' hashes give the order, not the file.
 *
 * Filling the table anew costs 1 to 2 ms for 1,000 hosts, as bench pick shows.
 */

enum {
    SLOTS = 65537,
    SLOT_WORDS = SLOTS / 64 + 1,
    WEIGHT_MOST = 256,
    STEPS_MOST =
        128 /* along the table from a slot whose host cannot be had, before a plain scan */
};

#define TIME_UNIT (UINT64_C(1) << 40)

/* One host's way through the slots. */
struct way {
    uint32_t slot, skip;
    uint32_t index; /* into group->hosts */
};

struct class
{
    uint64_t next_turn; /* in TIME_UNITs */
    uint32_t weight;
    uint32_t first, n_ways;
};

struct maglev {
    struct order *order; /* for clients without a key */
    uint32_t *sorted;    /* all indexes into group->hosts, by identity */
    uint64_t *identities;
    uint16_t *weights; /* by index into group->hosts; 0 = not usable. As of the last prepare */
    struct way *ways;  /* class by class */
    struct class heap[WEIGHT_MOST];
    uint32_t n_classes;
    uint64_t is_taken[SLOT_WORDS];
    uint16_t slots[SLOTS]; /* indexes into group->hosts */
};

static void maglev_free(struct maglev *maglev)
{
    if (maglev == NULL)
        return;
    order_free(maglev->order);
    free(maglev->sorted);
    free(maglev->identities);
    free(maglev->weights);
    free(maglev->ways);
    free(maglev);
}

static int compare_identities(const void *left, const void *right, void *context)
{
    const uint64_t *identities = context;
    uint64_t a = identities[*(const uint32_t *)left], b = identities[*(const uint32_t *)right];

    return (a > b) - (a < b);
}

static struct maglev *maglev_new(const struct group *group)
{
    struct maglev *maglev = calloc(1, sizeof *maglev);

    if (maglev == NULL)
        return NULL;
    maglev->sorted = calloc(group->n_hosts, sizeof *maglev->sorted);
    maglev->identities = calloc(group->n_hosts, sizeof *maglev->identities);
    maglev->weights = calloc(group->n_hosts, sizeof *maglev->weights);
    maglev->ways = calloc(group->n_hosts, sizeof *maglev->ways);
    if (maglev->sorted == NULL || maglev->identities == NULL || maglev->weights == NULL ||
        maglev->ways == NULL) {
        maglev_free(maglev);
        return NULL;
    }
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        maglev->sorted[i] = i;
        maglev->identities[i] = scheduler_identity(&group->hosts[i]);
    }
    qsort_r(maglev->sorted, group->n_hosts, sizeof *maglev->sorted, compare_identities,
            maglev->identities);
    return maglev;
}

/* Takes the weights over; false when they are what they were. */
static bool take_weights(struct maglev *maglev, const struct group *group)
{
    bool has_changed = false;
    uint32_t at = 0;

    for (uint32_t i = 0; i < group->n_hosts; i++) {
        bool is_usable = at < group->n_usable && group->usable[at] == i;
        uint32_t weight = is_usable ? scheduler_weight(group, i) : 0;
        if (weight > WEIGHT_MOST)
            weight = WEIGHT_MOST;
        at += is_usable;
        has_changed |= weight != maglev->weights[i];
        maglev->weights[i] = (uint16_t)weight;
    }
    return has_changed;
}

/* Makes the classes: of all weights there are, the heaviest first, which makes it a heap at once. */
static void fill_classes(struct maglev *maglev, const struct group *group)
{
    uint32_t n_of[WEIGHT_MOST + 1] = {0}, next_of[WEIGHT_MOST + 1] = {0};
    uint32_t n_placed = 0;

    for (uint32_t i = 0; i < group->n_hosts; i++)
        n_of[maglev->weights[i]]++;
    maglev->n_classes = 0;
    for (uint32_t weight = WEIGHT_MOST; weight > 0; weight--) {
        if (n_of[weight] == 0)
            continue;
        maglev->heap[maglev->n_classes++] = (struct class){.next_turn = TIME_UNIT / weight,
                                                           .weight = weight,
                                                           .first = n_placed,
                                                           .n_ways = n_of[weight]};
        next_of[weight] = n_placed;
        n_placed += n_of[weight];
    }
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        uint32_t index = maglev->sorted[i];
        uint64_t identity = maglev->identities[index];
        if (maglev->weights[index] == 0)
            continue;
        maglev->ways[next_of[maglev->weights[index]]++] =
            (struct way){.slot = (uint32_t)(identity % SLOTS),
                         .skip = (uint32_t)(hash_mix(identity) % (SLOTS - 1)) + 1,
                         .index = index};
    }
}

static bool is_sooner(const struct class *one, const struct class *other)
{
    return one->next_turn != other->next_turn ? one->next_turn < other->next_turn
                                              : one->weight > other->weight;
}

/* The first class has had its turn: it waits for the next among the others. */
static void pass_turn(struct maglev *maglev)
{
    struct class moved = maglev->heap[0];
    uint32_t at = 0;

    moved.next_turn += TIME_UNIT / moved.weight;
    for (uint32_t child = 1; child < maglev->n_classes; child = 2 * at + 1) {
        if (child + 1 < maglev->n_classes &&
            is_sooner(&maglev->heap[child + 1], &maglev->heap[child]))
            child++;
        if (!is_sooner(&maglev->heap[child], &moved))
            break;
        maglev->heap[at] = maglev->heap[child];
        at = child;
    }
    maglev->heap[at] = moved;
}

static uint32_t walk(struct way *way)
{
    uint32_t slot = way->slot;

    way->slot += way->skip;
    if (way->slot >= SLOTS)
        way->slot -= SLOTS;
    return slot;
}

static void fill_slots(struct maglev *maglev)
{
    uint32_t n_left = SLOTS;

    memset(maglev->is_taken, 0, sizeof maglev->is_taken);
    for (;;) {
        const struct class *class = &maglev->heap[0];
        for (uint32_t n = 0; n < class->n_ways; n++) {
            struct way *way = &maglev->ways[class->first + n];
            uint32_t slot = walk(way);
            while ((maglev->is_taken[slot / 64] >> slot % 64 & 1) != 0)
                slot = walk(way);
            maglev->is_taken[slot / 64] |= UINT64_C(1) << slot % 64;
            maglev->slots[slot] = (uint16_t)way->index;
            if (--n_left == 0)
                return;
        }
        pass_turn(maglev);
    }
}

static int prepare(struct group *group)
{
    struct maglev *maglev = group->prepared;

    if (maglev == NULL)
        maglev = maglev_new(group);
    group->prepared = maglev;
    if (maglev == NULL) {
        errno = ENOMEM;
        return -1;
    }
    order_free(maglev->order);
    maglev->order = NULL;
    if (!take_weights(maglev, group))
        return 0;
    fill_classes(maglev, group);
    fill_slots(maglev);
    return 0;
}

/* Goes along the table from the slot on. */
static int32_t claim_along(const struct group *group, const struct pick_request *request,
                           uint32_t slot, bool asks_warmth)
{
    const struct maglev *maglev = group->prepared;
    uint32_t last = UINT32_MAX;

    for (int i = 0; i < STEPS_MOST; i++) {
        uint32_t index = maglev->slots[slot];
        if (index != last && !scheduler_is_tried(request, index) &&
            (!asks_warmth || scheduler_is_warm(group, request, index)) &&
            scheduler_claim(group, index))
            return (int32_t)index;
        last = index;
        slot = slot + 1 < SLOTS ? slot + 1 : 0;
    }
    return -1;
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    struct maglev *maglev = group->prepared;

    if (!scheduler_has_key(request))
        return order_claim_keyless(&maglev->order, group, request);
    uint32_t slot = (uint32_t)(request->key % SLOTS);
    int32_t index = claim_along(group, request, slot, true);
    if (index < 0 && group->may_be_cold)
        index = claim_along(group, request, slot, false);
    return index >= 0 ? index : scheduler_scan(group, request, slot % group->n_usable);
}

static void fini(struct group *group)
{
    maglev_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_maglev = {
    .name = "maglev", .is_keyed = true, .prepare = prepare, .choose = choose, .fini = fini};

/* SPDX-License-Identifier: MIT */
/* Scheduler source: the client's address decides, and only the clients of a host that goes move. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "balance/order.h"
#include "balance/rendezvous.h"

/*
 * How it works. Keys fall into 65,536 buckets, and each bucket belongs to the host that wins it
 * by rendezvous hashing. Asking all hosts takes about a nanosecond each, too long for every
 * connection; so the winner is kept once it is found. When hosts come and go, a kept winner is
 * only given up where it has lost: the buckets of a host that went, or has become lighter, are
 * forgotten and found anew when next a client comes, and one that came, or has become heavier,
 * is compared with each winner. The outcome is always the same as if all hosts were asked.
 *
 * A change of one of 1,000 hosts costs 0.15 ms when it goes and 0.3 ms when it comes; when more than
 * CHALLENGERS_MOST come at once, everything is forgotten, instead of keeping the loop. The first
 * client of a forgotten bucket costs 1 to 2 µs more.
 *
 * Within one weight the highest draw wins, so hosts are kept by weight, and the logarithm
 * is taken once for each weight.
 */

enum {
    BUCKETS = 65536,
    BUCKET_SHIFT = 48, /* a key's upper bits */
    WEIGHT_MOST = 256,
    CHALLENGERS_MOST = 4,
    SPILLS_MOST = 8 /* attempts beside a host that is full before a plain scan */
};

/* Of a bucket: not known. A host of this index would be asked for each time, which is right, too. */
#define NOBODY UINT16_MAX

struct class
{
    uint32_t first, n_members;
    uint32_t weight;
};

struct source {
    struct order *order;  /* for clients without a key */
    uint64_t *identities; /* by index into group->hosts */
    uint16_t *weights; /* as of the last prepare, by index into group->hosts; 0 = not usable */
    uint64_t *member_identities; /* identities, class by class */
    uint32_t *members;           /* indexes into group->hosts, class by class */
    uint32_t n_classes;
    struct class classes[WEIGHT_MOST];
    uint16_t winners[BUCKETS];
};

/* What a prepare found changed. */
struct changes {
    bool *has_lost; /* by index into group->hosts */
    bool is_any_lost;
    uint32_t n_challengers;
    uint32_t challengers[CHALLENGERS_MOST];
};

static void source_free(struct source *source)
{
    if (source == NULL)
        return;
    order_free(source->order);
    free(source->identities);
    free(source->weights);
    free(source->member_identities);
    free(source->members);
    free(source);
}

static void forget_winners(struct source *source)
{
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
        source->winners[bucket] = NOBODY;
}

static struct source *source_new(const struct group *group)
{
    struct source *source = calloc(1, sizeof *source);

    if (source == NULL)
        return NULL;
    source->identities = calloc(group->n_hosts, sizeof *source->identities);
    source->weights = calloc(group->n_hosts, sizeof *source->weights);
    source->member_identities = calloc(group->n_hosts, sizeof *source->member_identities);
    source->members = calloc(group->n_hosts, sizeof *source->members);
    if (source->identities == NULL || source->weights == NULL ||
        source->member_identities == NULL || source->members == NULL) {
        source_free(source);
        return NULL;
    }
    for (uint32_t i = 0; i < group->n_hosts; i++)
        source->identities[i] = scheduler_identity(&group->hosts[i]);
    forget_winners(source);
    return source;
}

static uint16_t weight_now(const struct group *group, uint32_t index)
{
    uint32_t weight = scheduler_weight(group, index);

    return (uint16_t)(weight < WEIGHT_MOST ? weight : WEIGHT_MOST);
}

/* Takes the new weights over and says who lost by that and who gained. */
static void note_changes(struct source *source, const struct group *group,
                         struct changes *changes)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < group->n_hosts; i++) {
        bool is_usable = at < group->n_usable && group->usable[at] == i;
        uint16_t weight = is_usable ? weight_now(group, i) : 0;
        at += is_usable;
        changes->has_lost[i] = weight < source->weights[i];
        changes->is_any_lost |= changes->has_lost[i];
        if (weight > source->weights[i] && changes->n_challengers++ < CHALLENGERS_MOST)
            changes->challengers[changes->n_challengers - 1] = i;
        source->weights[i] = weight;
    }
}

static struct rendezvous_bid bid_of(const struct source *source, uint32_t bucket,
                                    uint32_t index)
{
    return (struct rendezvous_bid){.draw = rendezvous_draw(bucket, source->identities[index]),
                                   .weight = source->weights[index]};
}

static void apply_changes(struct source *source, const struct changes *changes)
{
    if (changes->n_challengers > CHALLENGERS_MOST) {
        forget_winners(source);
        return;
    }
    if (changes->n_challengers == 0 && !changes->is_any_lost)
        return;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
        uint16_t winner = source->winners[bucket];
        if (winner == NOBODY)
            continue;
        if (changes->has_lost[winner]) {
            source->winners[bucket] = NOBODY;
            continue;
        }
        for (uint32_t i = 0; i < changes->n_challengers; i++) {
            struct rendezvous_bid held = bid_of(source, bucket, source->winners[bucket]);
            struct rendezvous_bid bid = bid_of(source, bucket, changes->challengers[i]);
            if (rendezvous_is_better(&bid, &held))
                source->winners[bucket] = (uint16_t)changes->challengers[i];
        }
    }
}

/* Sorts the usable hosts by weight. */
static void fill_classes(struct source *source, const struct group *group)
{
    uint32_t n_of[WEIGHT_MOST + 1] = {0}, next_of[WEIGHT_MOST + 1] = {0};
    uint32_t n_placed = 0;

    for (uint32_t i = 0; i < group->n_usable; i++)
        n_of[source->weights[group->usable[i]]]++;
    source->n_classes = 0;
    for (uint32_t weight = 1; weight <= WEIGHT_MOST; weight++) {
        if (n_of[weight] == 0)
            continue;
        source->classes[source->n_classes++] =
            (struct class){.first = n_placed, .n_members = n_of[weight], .weight = weight};
        next_of[weight] = n_placed;
        n_placed += n_of[weight];
    }
    for (uint32_t i = 0; i < group->n_usable; i++) {
        uint32_t index = group->usable[i];
        uint32_t place = next_of[source->weights[index]]++;
        source->members[place] = index;
        source->member_identities[place] = source->identities[index];
    }
}

static int prepare(struct group *group)
{
    struct source *source = group->prepared;
    struct changes changes = {.has_lost = calloc(group->n_hosts, sizeof *changes.has_lost)};

    if (source == NULL)
        source = source_new(group);
    group->prepared = source;
    if (source == NULL || changes.has_lost == NULL) {
        free(changes.has_lost);
        errno = ENOMEM;
        return -1;
    }
    order_free(source->order);
    source->order = NULL;
    note_changes(source, group, &changes);
    apply_changes(source, &changes);
    fill_classes(source, group);
    free(changes.has_lost);
    return 0;
}

/* What a bucket's next host must be besides the best; NULL request: nothing. */
struct wish {
    const struct group *group;
    const struct pick_request *request;
    bool asks_warmth;
};

static bool is_had(const struct wish *wish, uint32_t index)
{
    const struct host *host = &wish->group->hosts[index];

    return (host->limit <= 0 || atomic_load(&host->row->in_flight) < host->limit) &&
           !scheduler_is_tried(wish->request, index) &&
           (!wish->asks_warmth || scheduler_is_warm(wish->group, wish->request, index));
}

/* The best for the bucket of those that the wish allows, NULL: of all. -1 when there is none. */
static int32_t find_best(const struct source *source, uint32_t bucket, const struct wish *wish)
{
    struct rendezvous_bid best = {0};
    int32_t best_index = -1;

    for (uint32_t i = 0; i < source->n_classes; i++) {
        const struct class *class = &source->classes[i];
        struct rendezvous_bid bid = {.weight = class->weight};
        int32_t index = -1;
        for (uint32_t n = class->first; n < class->first + class->n_members; n++) {
            uint64_t draw = rendezvous_draw(bucket, source->member_identities[n]);
            if ((draw <= bid.draw && index >= 0) ||
                (wish != NULL && !is_had(wish, source->members[n])))
                continue;
            bid.draw = draw;
            index = (int32_t)source->members[n];
        }
        if (index >= 0 && (best_index < 0 || rendezvous_is_better(&bid, &best))) {
            best = bid;
            best_index = index;
        }
    }
    return best_index;
}

static uint32_t find_home(struct source *source, uint32_t bucket)
{
    if (source->winners[bucket] != NOBODY)
        return source->winners[bucket];
    uint32_t home = (uint32_t)find_best(source, bucket, NULL);
    source->winners[bucket] = (uint16_t)home;
    return home;
}

/* The home may not or cannot be had: the next best that can. */
static int32_t spill(const struct group *group, const struct pick_request *request,
                     uint32_t bucket, bool asks_warmth)
{
    const struct wish wish = {.group = group, .request = request, .asks_warmth = asks_warmth};

    for (int i = 0; i < SPILLS_MOST; i++) {
        int32_t index = find_best(group->prepared, bucket, &wish);
        if (index < 0 || scheduler_claim(group, (uint32_t)index))
            return index;
    }
    /* Others were quicker each time. */
    return scheduler_scan(group, request, bucket % group->n_usable);
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    struct source *source = group->prepared;

    if (!scheduler_has_key(request))
        return order_claim_keyless(&source->order, group, request);
    uint32_t bucket = (uint32_t)(request->key >> BUCKET_SHIFT);
    uint32_t home = find_home(source, bucket);
    if (!scheduler_is_tried(request, home) && scheduler_is_warm(group, request, home) &&
        scheduler_claim(group, home))
        return (int32_t)home;
    int32_t index = group->may_be_cold ? spill(group, request, bucket, true) : -1;
    return index >= 0 ? index : spill(group, request, bucket, false);
}

static void fini(struct group *group)
{
    source_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_source = {
    .name = "source", .is_keyed = true, .prepare = prepare, .choose = choose, .fini = fini};

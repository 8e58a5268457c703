/* SPDX-License-Identifier: MIT */
/* Scheduler leastconn: the host with the fewest connections for its weight, exact over all workers. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "balance/order.h"
#include "balance/scheduler.h"

/*
 * How it works. The least of all totals is claimed only if it is still what was seen; else somebody
 * was quicker, and is looked again. While connections are only opened, the others can meanwhile
 * only have risen: so equal hosts never differ by more than one, however many workers choose at
 * once. The search begins at the host whose turn it is by round robin and keeps the first of
 * equals, so that short connections, which find every host idle, are shared by weight, too.
 *
 * Reading 1,000 totals, each in a cache line of its own, takes microseconds. So the least of each
 * block of 32 rows is remembered together with the block's word in segment->host_blocks, which
 * moves behind every change of a total: only blocks whose word has moved are read again. A word
 * may stay behind its total for an instant, or for good when its writer is killed in between;
 * a total that has risen so is found out by the claim, one that has fallen at the latest when the
 * turn comes to the first of its block, at which it is always read anew.
 */

/*
 * Each further look means that another worker has just claimed. Four workers that do nothing but
 * pick came to 36 in a row, once in 80 million picks.
 */
enum { LOOKS_MOST = 1024 };

struct candidate {
    const _Atomic int64_t *in_flight;
    int64_t limit; /* 0 = none */
    int64_t weight;
    uint32_t index;  /* into group->hosts */
    uint32_t number; /* of the row */
};

/* A block's word as it never is. */
#define NOT_READ UINT64_MAX

/* Candidates whose rows share a word, with what was last seen of them. */
struct block {
    const _Atomic uint32_t *word;
    uint64_t seen;             /* the word before they were read */
    uint64_t load;             /* the least of them, as load_of tells */
    uint32_t least;            /* a bit for each that has so little; 0: all are full */
    uint32_t first, n;         /* n <= HOSTS_A_BLOCK */
    int64_t in_flight, weight; /* of one of the least */
};

struct leastconn {
    struct order *order;
    uint32_t n_candidates, n_blocks;
    uint32_t *places; /* by index into group->usable: which candidate */
    struct block *blocks;
    struct candidate candidates[]; /* by row number */
};

static void leastconn_free(struct leastconn *least)
{
    if (least == NULL)
        return;
    order_free(least->order);
    free(least->places);
    free(least->blocks);
    free(least);
}

static int compare_candidates(const void *left, const void *right)
{
    uint32_t a = ((const struct candidate *)left)->number;
    uint32_t b = ((const struct candidate *)right)->number;

    return (a > b) - (a < b);
}

static void fill_candidates(struct leastconn *least, const struct group *group)
{
    for (uint32_t i = 0; i < group->n_usable; i++) {
        const struct host *host = &group->hosts[group->usable[i]];
        least->candidates[i] = (struct candidate){
            .in_flight = &host->row->in_flight,
            .limit = host->limit,
            .weight = scheduler_weight(group, group->usable[i]),
            .index = group->usable[i],
            .number = host->number,
        };
    }
    bool is_sorted = true;
    for (uint32_t i = 1; is_sorted && i < least->n_candidates; i++)
        is_sorted = least->candidates[i - 1].number < least->candidates[i].number;
    if (is_sorted)
        return;
    qsort(least->candidates, least->n_candidates, sizeof least->candidates[0],
          compare_candidates);
}

/* group->usable rises; so does a candidate's index in it with its index into group->hosts. */
static void fill_places(struct leastconn *least, const struct group *group)
{
    for (uint32_t place = 0; place < least->n_candidates; place++) {
        uint32_t low = 0, high = group->n_usable - 1;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (group->usable[middle] < least->candidates[place].index)
                low = middle + 1;
            else
                high = middle;
        }
        least->places[low] = place;
    }
}

static void fill_blocks(struct leastconn *least, const struct group *group)
{
    for (uint32_t i = 0; i < least->n_candidates; i++) {
        const _Atomic uint32_t *word =
            &group->segment->host_blocks[least->candidates[i].number / HOSTS_A_BLOCK];
        if (least->n_blocks == 0 || least->blocks[least->n_blocks - 1].word != word)
            least->blocks[least->n_blocks++] =
                (struct block){.word = word, .seen = NOT_READ, .first = i};
        least->blocks[least->n_blocks - 1].n++;
    }
}

static int prepare(struct group *group)
{
    struct leastconn *before = group->prepared;
    struct leastconn *least =
        calloc(1, sizeof *least + group->n_usable * sizeof least->candidates[0]);

    if (least == NULL)
        goto fail;
    least->n_candidates = group->n_usable;
    least->order = order_new(group, before == NULL ? NULL : before->order);
    least->places = calloc(group->n_usable, sizeof *least->places);
    least->blocks = calloc(group->n_usable, sizeof *least->blocks);
    if (least->order == NULL || least->places == NULL || least->blocks == NULL)
        goto fail;
    fill_candidates(least, group);
    fill_places(least, group);
    fill_blocks(least, group);
    leastconn_free(before);
    group->prepared = least;
    return 0;
fail:
    leastconn_free(least);
    errno = ENOMEM;
    return -1;
}

/*
 * Connections for the weight, as a number to compare: fractions of denominators up to 256 that differ
 * do so by 2^-16 at least, so 32 bits behind the point keep equals equal and the order as it is.
 */
static uint64_t load_of(int64_t in_flight, int64_t weight)
{
    return in_flight <= 0 ? 0 : ((uint64_t)in_flight << 32) / (uint64_t)weight;
}

static void read_block(struct block *block, const struct candidate *candidates)
{
    block->seen = atomic_load(block->word);
    block->least = 0;
    for (uint32_t i = 0; i < block->n; i++) {
        const struct candidate *candidate = &candidates[block->first + i];
        int64_t in_flight = atomic_load(candidate->in_flight);
        if (candidate->limit > 0 && in_flight >= candidate->limit)
            continue;
        int64_t more = in_flight * block->weight - block->in_flight * candidate->weight;
        if (block->least != 0 && more > 0)
            continue;
        if (block->least == 0 || more < 0) {
            block->least = 0;
            block->in_flight = in_flight;
            block->weight = candidate->weight;
        }
        block->least |= UINT32_C(1) << i;
    }
    if (block->least != 0)
        block->load = load_of(block->in_flight, block->weight);
}

/*
 * The block with the least for its weight, the first of equals from the candidate first on.
 * at        the block of first
 * bits_out  which of its candidates have so little, of which the lowest is meant
 * NULL: all are full.
 */
static struct block *find_block(struct leastconn *least, uint32_t at, uint32_t first,
                                uint32_t *bits_out)
{
    struct block *best = NULL;
    uint64_t best_load = UINT64_MAX;
    uint32_t place = first - least->blocks[at].first;
    /* Those of its block that lie before first come last. */
    uint32_t mask = UINT32_MAX << place;

    if (place == 0)
        least->blocks[at].seen = NOT_READ;
    for (uint32_t n = 0; n <= least->n_blocks; n++) {
        struct block *block = &least->blocks[at];
        if (block->seen != atomic_load(block->word))
            read_block(block, least->candidates);
        if (block->load < best_load && (block->least & mask) != 0) {
            best = block;
            best_load = block->load;
            *bits_out = block->least & mask;
        }
        at = at + 1 < least->n_blocks ? at + 1 : 0;
        mask = UINT32_MAX;
    }
    return best;
}

/* The block of a candidate. */
static uint32_t block_at(const struct leastconn *least, uint32_t place)
{
    uint32_t low = 0, high = least->n_blocks - 1;

    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (least->blocks[middle].first <= place)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Any of the usable hosts will do. */
static int32_t choose_of_all(const struct group *group, const struct pick_request *request,
                             uint32_t first)
{
    struct leastconn *least = group->prepared;
    uint32_t at = block_at(least, first);

    for (int i = 0; i < LOOKS_MOST; i++) {
        uint32_t bits;
        struct block *block = find_block(least, at, first, &bits);
        if (block == NULL)
            return -1;
        const struct candidate *candidate =
            &least->candidates[block->first + (uint32_t)__builtin_ctz(bits)];
        int64_t in_flight = block->in_flight * candidate->weight / block->weight;
        if (host_claim_expected(group->segment, group->slot, candidate->number, in_flight) ==
            CLAIM_TAKEN)
            return (int32_t)candidate->index;
        block->seen = NOT_READ;
    }
    return scheduler_scan(group, request, 0);
}

/* The candidate with the least for its weight, the first of equals from first on; NULL: none is free. */
static const struct candidate *find_least(const struct group *group,
                                          const struct pick_request *request, uint32_t first,
                                          bool asks_warmth, int64_t *in_flight_out)
{
    const struct leastconn *least = group->prepared;
    const struct candidate *best = NULL;
    int64_t best_in_flight = 0, best_weight = 0;

    for (uint32_t n = 0; n < least->n_candidates; n++) {
        uint32_t at = first + n;
        if (at >= least->n_candidates)
            at -= least->n_candidates;
        const struct candidate *candidate = &least->candidates[at];
        int64_t in_flight = atomic_load(candidate->in_flight);
        if (candidate->limit > 0 && in_flight >= candidate->limit)
            continue;
        int64_t weight = candidate->weight;
        if (asks_warmth)
            weight *= scheduler_warmth(group, request->now_ns, candidate->index);
        if (best != NULL && in_flight * best_weight >= best_in_flight * weight)
            continue;
        if (scheduler_is_tried(request, candidate->index))
            continue;
        if (asks_warmth && !scheduler_is_warm(group, request, candidate->index))
            continue;
        best = candidate;
        best_in_flight = in_flight;
        best_weight = weight;
    }
    *in_flight_out = best_in_flight;
    return best;
}

/* Some hosts are not to be had: each is looked at for this request. */
static int32_t choose_of_some(const struct group *group, const struct pick_request *request,
                              uint32_t first, bool asks_warmth)
{
    for (int i = 0; i < LOOKS_MOST; i++) {
        int64_t in_flight;
        const struct candidate *best =
            find_least(group, request, first, asks_warmth, &in_flight);
        if (best == NULL)
            return -1;
        if (host_claim_expected(group->segment, group->slot, best->number, in_flight) ==
            CLAIM_TAKEN)
            return (int32_t)best->index;
    }
    return scheduler_scan(group, request, 0);
}

static int32_t choose(struct group *group, const struct pick_request *request)
{
    const struct leastconn *least = group->prepared;
    uint32_t first = least->places[order_next(least->order, group, request)];
    int32_t index = -1;

    if (group->may_be_cold)
        index = choose_of_some(group, request, first, true);
    else if (request->n_tried == 0)
        index = choose_of_all(group, request, first);
    /* Before it is said that all are full, they are looked at themselves. */
    return index >= 0 ? index : choose_of_some(group, request, first, false);
}

static void fini(struct group *group)
{
    leastconn_free(group->prepared);
    group->prepared = NULL;
}

const struct scheduler scheduler_leastconn = {
    .name = "leastconn", .prepare = prepare, .choose = choose, .fini = fini};

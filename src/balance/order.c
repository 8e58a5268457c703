/* SPDX-License-Identifier: MIT */
/* The smooth weighted order of a group's usable hosts, the same in every worker. */
#include "balance/order.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * How it works. Workers share only a position in a cycle (share/groups); which host a position
 * means, each computes for itself, from the same weights in the same way. There are two ways:
 *
 * A table of the whole cycle, in the order of nginx's smooth weighted round robin
 * (ngx_http_upstream_get_peer in ngx_http_upstream_round_robin.c, 2012): at each step every host
 * gains its weight, the richest is chosen and pays the sum of all weights. Weights 5:1:1 give
 * a a b a c a a. That takes hosts x positions steps, and is done while those are few.
 *
 * Classes, when they are many, or when all weights are equal (then it is the plain cycle). Hosts of
 * one weight form a class, within which they take turns; between classes a position is found by
 * halving: of two sets of classes with a and b positions in a cycle, the first has had
 * floor((p * a + (a + b) / 2) / (a + b)) of the first p, which spreads it evenly (as in Bresenham's
 * line, 1965). There are at most 256 weights, so eight halvings, and nothing has to be stored.
 */

enum {
    WEIGHT_MOST = 256,
    TABLE_STEPS_MOST = 1 << 20, /* about a millisecond */
    TURNS_MOST = 64,            /* taken in search of a free host before a plain scan */
    LOTS_MOST = 32,             /* drawn for a turn */
};

struct class
{
    uint32_t first, n_hosts; /* its part of members */
    uint64_t before;         /* positions of the classes before it; behind the last: of all */
};

struct order {
    uint32_t length, start;
    uint32_t epoch;
    uint32_t n_hosts;
    uint32_t *hosts;   /* group->usable as it was */
    uint32_t *table;   /* by position: index into hosts; NULL: classes are used */
    uint32_t *members; /* indexes into hosts, class by class */
    uint32_t n_classes;
    struct class classes[WEIGHT_MOST + 1];
};

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Fills the weights of the usable hosts, without their common divisor. Returns the sum. */
static uint64_t reduce_weights(const struct group *group, uint32_t *weights)
{
    uint32_t divisor = 0;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < group->n_usable; i++) {
        uint32_t weight = scheduler_weight(group, group->usable[i]);
        weights[i] = weight < WEIGHT_MOST ? weight : WEIGHT_MOST;
        divisor = common_divisor(weights[i], divisor);
    }
    for (uint32_t i = 0; i < group->n_usable; i++) {
        weights[i] /= divisor;
        sum += weights[i];
    }
    return sum;
}

static int fill_table(struct order *order, const uint32_t *weights)
{
    int64_t *riches = calloc(order->n_hosts, sizeof *riches);

    order->table = malloc(order->length * sizeof *order->table);
    if (riches == NULL || order->table == NULL) {
        free(riches);
        return -1;
    }
    for (uint32_t position = 0; position < order->length; position++) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < order->n_hosts; i++) {
            riches[i] += weights[i];
            if (riches[i] > riches[best])
                best = i;
        }
        riches[best] -= order->length;
        order->table[position] = best;
    }
    free(riches);
    return 0;
}

/* Sorts the hosts by weight, keeping their order within one weight. */
static int fill_classes(struct order *order, const uint32_t *weights)
{
    uint32_t n_of[WEIGHT_MOST + 1] = {0}, next_of[WEIGHT_MOST + 1] = {0};
    uint32_t n_placed = 0;
    uint64_t before = 0;

    order->members = malloc(order->n_hosts * sizeof *order->members);
    if (order->members == NULL)
        return -1;
    for (uint32_t i = 0; i < order->n_hosts; i++)
        n_of[weights[i]]++;
    for (uint32_t weight = 1; weight <= WEIGHT_MOST; weight++) {
        if (n_of[weight] == 0)
            continue;
        order->classes[order->n_classes++] =
            (struct class){.first = n_placed, .n_hosts = n_of[weight], .before = before};
        next_of[weight] = n_placed;
        n_placed += n_of[weight];
        before += (uint64_t)n_of[weight] * weight;
    }
    order->classes[order->n_classes].before = before;
    for (uint32_t i = 0; i < order->n_hosts; i++)
        order->members[next_of[weights[i]]++] = i;
    return 0;
}

static uint32_t find_by_class(const struct order *order, uint64_t position)
{
    const struct class *classes = order->classes;
    uint32_t low = 0, high = order->n_classes;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t left = classes[middle].before - classes[low].before;
        uint64_t all = classes[high].before - classes[low].before;
        uint64_t had = (position * left + all / 2) / all;
        uint64_t has = ((position + 1) * left + all / 2) / all;
        if (has > had) {
            position = had;
            high = middle;
        } else {
            position -= had;
            low = middle;
        }
    }
    return order->members[classes[low].first + position % classes[low].n_hosts];
}

static uint32_t find_host(const struct order *order, uint32_t position)
{
    return order->table != NULL ? order->table[position] : find_by_class(order, position);
}

/*
 * Where the new cycle begins. Among equals the turn goes on behind the host that had it last:
 * were it to begin anew with each ejection, the first hosts of the file would get more.
 * An order of weights begins at its beginning.
 */
static uint32_t find_start(const struct order *order, const struct group *group,
                           const struct order *before)
{
    uint32_t position;

    if (before == NULL || order->n_classes != 1 ||
        !group_peek_position(group->row, before->epoch, &position))
        return 0;
    uint32_t last = (position + before->length - 1) % before->length;
    uint32_t last_host = before->hosts[find_host(before, last)];
    for (uint32_t i = 0; i < order->n_hosts; i++)
        if (order->hosts[i] > last_host)
            return i;
    return 0;
}

static int fill(struct order *order, const struct group *group, const uint32_t *weights)
{
    order->hosts = malloc(order->n_hosts * sizeof *order->hosts);
    if (order->hosts == NULL)
        return -1;
    for (uint32_t i = 0; i < order->n_hosts; i++)
        order->hosts[i] = group->usable[i];
    /* Without their divisor, equal weights are 1. */
    bool is_equal = order->length == order->n_hosts;
    bool is_large = (uint64_t)order->length * order->n_hosts > TABLE_STEPS_MOST;
    return is_equal || is_large ? fill_classes(order, weights) : fill_table(order, weights);
}

struct order *order_new(const struct group *group, const struct order *before)
{
    assert(group->n_usable > 0);
    uint32_t *weights = malloc(group->n_usable * sizeof *weights);
    struct order *order = calloc(1, sizeof *order);

    if (weights == NULL || order == NULL)
        goto fail;
    order->epoch = group->built_epoch;
    order->n_hosts = group->n_usable;
    order->length = (uint32_t)reduce_weights(group, weights);
    if (fill(order, group, weights) != 0)
        goto fail;
    order->start = find_start(order, group, before);
    free(weights);
    return order;
fail:
    free(weights);
    order_free(order);
    errno = ENOMEM;
    return NULL;
}

void order_free(struct order *order)
{
    if (order == NULL)
        return;
    free(order->hosts);
    free(order->table);
    free(order->members);
    free(order);
}

uint32_t order_next(const struct order *order, const struct group *group,
                    const struct pick_request *request)
{
    uint32_t turn = find_host(
        order, group_next_position(group->row, order->epoch, order->length, order->start));

    for (uint64_t i = 1; group->may_be_cold && i <= LOTS_MOST; i++) {
        if (scheduler_is_warm(group, request, group->usable[turn]))
            break;
        turn = find_host(order, (uint32_t)(hash_mix(request->key + i) % order->length));
    }
    return turn;
}

uint32_t order_length(const struct order *order)
{
    return order->length;
}

int32_t order_claim(const struct order *order, const struct group *group,
                    const struct pick_request *request)
{
    uint32_t n_turns = order->length < TURNS_MOST ? order->length : TURNS_MOST;
    uint32_t turn = 0;

    for (uint32_t i = 0; i < n_turns; i++) {
        turn = order_next(order, group, request);
        uint32_t index = group->usable[turn];
        if (!scheduler_is_tried(request, index) && scheduler_claim(group, index))
            return (int32_t)index;
    }
    return scheduler_scan(group, request, turn);
}

int32_t order_claim_keyless(struct order **order, const struct group *group,
                            const struct pick_request *request)
{
    if (*order == NULL)
        *order = order_new(group, NULL);
    return *order != NULL ? order_claim(*order, group, request)
                          : scheduler_scan(group, request, 0);
}

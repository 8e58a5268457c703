/* SPDX-License-Identifier: MIT */
/* A group over a real segment, for the tests of the schedulers. */
#ifndef TESTS_UNIT_BALANCE_RIG_H
#define TESTS_UNIT_BALANCE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "balance/pick.h"
#include "net/addr.h"

#define RIG_NOW_NS UINT64_C(1000000000)

/* Hosts h of the rig have row number RIG_FIRST_ROW + h, so that indexes and rows cannot be mixed up. */
enum { RIG_GROUP = 3, RIG_FIRST_ROW = 5 };

struct rig_name {
    char text[16];
};

struct rig {
    struct segment segment;
    struct model_group model;
    struct group group;
    struct random random;
    struct rig_name *names;
};

/* The nth of many clients, some of either family, with bytes of every value in their addresses. */
static inline struct addr rig_client(uint32_t n)
{
    struct addr client = {.length = n % 2 == 0 ? sizeof client.in : sizeof client.in6};
    uint64_t word = n * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);

    if (n % 2 == 0) {
        client.in.sin_family = AF_INET;
        client.in.sin_port = (in_port_t)n;
        for (int i = 0; i < 4; i++)
            ((unsigned char *)&client.in.sin_addr)[i] = (unsigned char)(word >> (24 + 8 * i));
        return client;
    }
    client.in6.sin6_family = AF_INET6;
    client.in6.sin6_port = (in_port_t)n;
    for (int i = 0; i < 16; i++) {
        word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        client.in6.sin6_addr.s6_addr[i] = (unsigned char)(word >> 40);
    }
    return client;
}

/* Where a client goes, if it must be had; it leaves at once. */
static inline uint32_t rig_home(struct group *group, const struct addr *client)
{
    const struct pick_request request = {.now_ns = RIG_NOW_NS, .client = client};
    uint32_t index = UINT32_MAX;

    assert_int_equal(pick_host(group, &request, &index), PICK_CHOSEN);
    assert_true(index < group->n_hosts);
    pick_release(group, index);
    return index;
}

/* Another worker's view of the rig's group; free it with rig_leave. */
static inline void rig_join(const struct rig *rig, struct group *group, uint32_t slot)
{
    *group = rig->group;
    group->slot = slot;
    assert_int_equal(pick_init(group), 0);
}

static inline void rig_leave(struct group *group)
{
    pick_fini(group);
}

/* Children wait until all are there, so that they meet. */
static inline void rig_wait_for_start(const struct rig *rig)
{
    while (atomic_load(&rig->segment.daemon->state) != DAEMON_SERVING)
        ;
}

static inline void rig_start(const struct rig *rig)
{
    atomic_store(&rig->segment.daemon->state, DAEMON_SERVING);
}

/* weights may be NULL: all 1. Slots 0 to 7 are in use. */
static inline void rig_open(struct rig *rig, enum scheduler_kind kind, uint32_t n_hosts,
                            const uint32_t *weights)
{
    *rig = (struct rig){.model = {.name = "main", .scheduler = kind, .n_hosts = n_hosts}};
    assert_int_equal(segment_create(&rig->segment, NULL), 0);
    for (uint32_t slot = 0; slot < 8; slot++)
        segment_use_slot(&rig->segment, slot);
    random_init(&rig->random, 42);
    group_reset(&rig->segment, RIG_GROUP);
    struct model_host *models = calloc(n_hosts, sizeof *models);
    struct host *hosts = calloc(n_hosts, sizeof *hosts);
    rig->names = calloc(n_hosts, sizeof *rig->names);
    assert_non_null(models);
    assert_non_null(hosts);
    assert_non_null(rig->names);
    for (uint32_t i = 0; i < n_hosts; i++) {
        host_reset(&rig->segment, RIG_FIRST_ROW + i, RIG_GROUP);
        host_set_weight(&rig->segment, RIG_FIRST_ROW + i, weights == NULL ? 1 : weights[i]);
        snprintf(rig->names[i].text, sizeof rig->names[i].text, "app%u", (unsigned)i);
        models[i].name = rig->names[i].text;
        hosts[i] = (struct host){.model = &models[i],
                                 .row = &rig->segment.hosts[RIG_FIRST_ROW + i],
                                 .number = RIG_FIRST_ROW + i};
    }
    rig->model.hosts = models;
    rig->group = (struct group){
        .model = &rig->model,
        .segment = &rig->segment,
        .row = &rig->segment.groups[RIG_GROUP],
        .number = RIG_GROUP,
        .hosts = hosts,
        .n_hosts = n_hosts,
        .eject = {.failures = 5,
                  .time_ns = 10 * RIG_NOW_NS,
                  .most_percent = 50,
                  .n_hosts = n_hosts},
        .random = &rig->random,
    };
    assert_int_equal(pick_init(&rig->group), 0);
}

static inline void rig_close(struct rig *rig)
{
    pick_fini(&rig->group);
    free(rig->group.hosts);
    free(rig->model.hosts);
    free(rig->names);
    segment_fini(&rig->segment);
}

/* Picks at the given time, without any tried, for some client if that counts; the host must be had. */
static inline uint32_t rig_pick_at(struct group *group, uint64_t now_ns)
{
    const struct addr client = rig_client((uint32_t)random_next(group->random));
    const struct pick_request request = {.now_ns = now_ns,
                                         .client = group->scheduler->is_keyed ? &client : NULL};
    uint32_t index = UINT32_MAX;
    assert_int_equal(pick_host(group, &request, &index), PICK_CHOSEN);
    assert_true(index < group->n_hosts);
    return index;
}

static inline uint32_t rig_pick(struct group *group)
{
    return rig_pick_at(group, RIG_NOW_NS);
}

/* As rig_pick, and the connection ends at once. */
static inline uint32_t rig_visit(struct group *group)
{
    uint32_t index = rig_pick(group);
    pick_release(group, index);
    return index;
}

static inline void rig_limit(struct rig *rig, uint32_t index, int64_t most)
{
    rig->model.hosts[index].max_connections = most;
    group_touch(&rig->segment, RIG_GROUP);
}

#endif

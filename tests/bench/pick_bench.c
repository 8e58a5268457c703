/* SPDX-License-Identifier: MIT */
/* What choosing a host and giving it back costs, by scheduler, number of hosts and their state. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "balance/pick.h"
#include "base/clock.h"
#include "share/groups.h"
#include "share/hosts.h"

/*
 * Each host has connections open all the time, so that none is idle. A round chooses a host and
 * gives it back; clients come from 16,384 addresses. The last host is the one that is left when
 * all others are down, or full. What counts is the processor's time, in the best of several runs:
 * others run on this machine, too.
 */
enum {
    PICKS = 200000,
    PICKS_SLOW = 20000, /* where a choice has to look at every host */
    RUNS = 5,
    HOSTS_MOST = 1000,
    GROUP = 1,
    CLIENTS = 16384,
    HELD = 3, /* connections open at each host */
};

enum state { ALL_USABLE, ONE_USABLE, ONE_FREE, NONE_FREE, STATES };

static const char *const states[STATES] = {"all usable", "one usable", "one not full",
                                           "all full"};

static const enum scheduler_kind kinds[] = {
    SCHEDULER_ROUNDROBIN, SCHEDULER_LEASTCONN, SCHEDULER_RANDOM, SCHEDULER_WEIGHTED,
    SCHEDULER_TWOCHOICES, SCHEDULER_SOURCE,    SCHEDULER_MAGLEV, SCHEDULER_FIRST,
};
static const uint32_t sizes[] = {2, 16, 256, HOSTS_MOST};

struct bench {
    struct segment segment;
    struct model_group model;
    struct model_host models[HOSTS_MOST];
    char names[HOSTS_MOST][16];
    struct host hosts[HOSTS_MOST];
    struct group group;
    struct random random;
    struct addr clients[CLIENTS];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void set_state(struct bench *bench, enum state state)
{
    for (uint32_t i = 0; i < bench->group.n_hosts; i++) {
        bool is_left = i == bench->group.n_hosts - 1;
        if (state == ONE_USABLE && !is_left)
            host_set_health(&bench->segment, i, HEALTH_DOWN, NULL);
        bool is_full = state == NONE_FREE || (state == ONE_FREE && !is_left);
        bench->models[i].max_connections = is_full ? HELD : 0;
    }
    group_touch(&bench->segment, GROUP);
}

static void set_up(struct bench *bench, enum scheduler_kind kind, uint32_t n_hosts)
{
    bench->model = (struct model_group){
        .name = "main", .scheduler = kind, .hosts = bench->models, .n_hosts = n_hosts};
    random_init(&bench->random, 1);
    group_reset(&bench->segment, GROUP);
    for (uint32_t i = 0; i < n_hosts; i++) {
        host_reset(&bench->segment, i, GROUP);
        host_set_weight(&bench->segment, i, 1 + i % 3);
        snprintf(bench->names[i], sizeof bench->names[i], "app%u", (unsigned)i);
        bench->models[i] = (struct model_host){.name = bench->names[i]};
        bench->hosts[i] = (struct host){
            .model = &bench->models[i], .row = &bench->segment.hosts[i], .number = i};
        for (int held = 0; held < HELD; held++)
            host_claim(&bench->segment, 0, i, 0);
    }
    bench->group = (struct group){.model = &bench->model,
                                  .segment = &bench->segment,
                                  .row = &bench->segment.groups[GROUP],
                                  .number = GROUP,
                                  .hosts = bench->hosts,
                                  .n_hosts = n_hosts,
                                  .random = &bench->random};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        bench->clients[i] = (struct addr){.length = sizeof bench->clients[i].in};
        bench->clients[i].in.sin_family = AF_INET;
        bench->clients[i].in.sin_addr.s_addr = (in_addr_t)random_next(&bench->random);
    }
    if (pick_init(&bench->group) != 0)
        fail("pick_init");
}

static uint64_t spent_ns(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * CLOCK_NS_PER_S + (uint64_t)spent.tv_nsec;
}

/* Nanoseconds a round. */
static double run(struct bench *bench, uint32_t n_picks, bool is_any_free)
{
    uint64_t now_ns = clock_now_ns(), began_ns = spent_ns();

    for (uint32_t i = 0; i < n_picks; i++) {
        const struct pick_request request = {.now_ns = now_ns,
                                             .client = &bench->clients[i % CLIENTS]};
        uint32_t index;
        enum pick_verdict verdict = pick_host(&bench->group, &request, &index);
        if (verdict != (is_any_free ? PICK_CHOSEN : PICK_FULL))
            fail("pick_host");
        if (verdict == PICK_CHOSEN)
            pick_release(&bench->group, index);
    }
    return (double)(spent_ns() - began_ns) / n_picks;
}

static void measure(struct bench *bench, enum scheduler_kind kind, uint32_t n_hosts,
                    enum state state)
{
    double best_ns = 0;

    set_up(bench, kind, n_hosts);
    set_state(bench, state);
    for (int i = 0; i < RUNS; i++) {
        double each_ns = run(bench, state < ONE_FREE ? PICKS : PICKS_SLOW, state != NONE_FREE);
        if (i == 0 || each_ns < best_ns)
            best_ns = each_ns;
    }
    printf("  %-10s of %4u hosts, %-12s  %8.1f ns\n", scheduler_find(kind)->name,
           (unsigned)n_hosts, states[state], best_ns);
    pick_fini(&bench->group);
}

/* What the first choice after a change costs more than another: a host goes, and comes back. */
static void measure_change(struct bench *bench, enum scheduler_kind kind)
{
    uint64_t best_ns[2] = {UINT64_MAX, UINT64_MAX};
    uint32_t index;

    set_up(bench, kind, HOSTS_MOST);
    run(bench, PICKS, true);
    for (int i = 0; i < 2 * RUNS; i++) {
        host_set_health(&bench->segment, 7, i % 2 == 0 ? HEALTH_DOWN : HEALTH_UP, NULL);
        const struct pick_request request = {.now_ns = clock_now_ns(),
                                             .client = &bench->clients[0]};
        uint64_t began_ns = spent_ns();
        if (pick_host(&bench->group, &request, &index) != PICK_CHOSEN)
            fail("pick_host");
        uint64_t took_ns = spent_ns() - began_ns;
        if (took_ns < best_ns[i % 2])
            best_ns[i % 2] = took_ns;
        run(bench, PICKS, true);
    }
    printf("  %-10s of %4u hosts, one goes %6.0f us, comes %6.0f us\n",
           scheduler_find(kind)->name, (unsigned)HOSTS_MOST, (double)best_ns[0] / 1e3,
           (double)best_ns[1] / 1e3);
    pick_fini(&bench->group);
}

int main(void)
{
    struct bench *bench = calloc(1, sizeof *bench);

    if (bench == NULL || segment_create(&bench->segment, NULL) != 0)
        fail("segment_create");
    segment_use_slot(&bench->segment, 0);
    printf("choosing a host and giving it back, best of %d runs\n", RUNS);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (scheduler_find(kinds[k]) == NULL)
            continue;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            measure(bench, kinds[k], sizes[i], ALL_USABLE);
        for (enum state state = ONE_USABLE; state < STATES; state++)
            measure(bench, kinds[k], HOSTS_MOST, state);
    }
    printf("the first choice after a change\n");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (scheduler_find(kinds[k]) != NULL)
            measure_change(bench, kinds[k]);
    segment_fini(&bench->segment);
    free(bench);
    return 0;
}

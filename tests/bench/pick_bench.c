/* SPDX-License-Identifier: MIT */
/* What choosing a host and giving it back costs, by scheduler and number of hosts. */
#include <stdio.h>
#include <stdlib.h>

#include "balance/pick.h"
#include "base/clock.h"
#include "share/groups.h"
#include "share/hosts.h"

enum { PICKS = 200000, HOSTS_MOST = 256, GROUP = 1 };

static const struct {
    enum scheduler_kind kind;
    const char *name;
} kinds[] = {
    {SCHEDULER_ROUNDROBIN, "roundrobin"}, {SCHEDULER_LEASTCONN, "leastconn"},
    {SCHEDULER_RANDOM, "random"},         {SCHEDULER_WEIGHTED, "weighted"},
    {SCHEDULER_FIRST, "first"},
};
static const uint32_t sizes[] = {2, 16, HOSTS_MOST};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void measure(struct segment *segment, size_t which, uint32_t n_hosts)
{
    static struct model_host models[HOSTS_MOST];
    static struct host hosts[HOSTS_MOST];
    struct model_group model = {
        .name = "main", .scheduler = kinds[which].kind, .hosts = models, .n_hosts = n_hosts};
    struct random random;
    random_init(&random, 1);
    group_reset(segment, GROUP);
    for (uint32_t i = 0; i < n_hosts; i++) {
        host_reset(segment, i, GROUP);
        host_set_weight(segment, i, 1 + i % 3);
        hosts[i] = (struct host){.model = &models[i], .row = &segment->hosts[i], .number = i};
    }
    struct group group = {.model = &model,
                          .segment = segment,
                          .row = &segment->groups[GROUP],
                          .number = GROUP,
                          .hosts = hosts,
                          .n_hosts = n_hosts,
                          .random = &random};
    if (pick_init(&group) != 0)
        fail("pick_init");
    uint64_t began_ns = clock_now_ns();
    for (uint32_t i = 0; i < PICKS; i++) {
        const struct pick_request request = {.now_ns = began_ns};
        uint32_t index;
        if (pick_host(&group, &request, &index) != PICK_CHOSEN)
            fail("pick_host");
        pick_release(&group, index);
    }
    double each_ns = (double)(clock_now_ns() - began_ns) / PICKS;
    printf("  %-10s of %3u hosts  %8.1f ns\n", kinds[which].name, (unsigned)n_hosts, each_ns);
    pick_fini(&group);
}

int main(void)
{
    struct segment segment;
    if (segment_create(&segment, NULL) != 0)
        fail("segment_create");
    segment_use_slot(&segment, 0);
    printf("choosing a host and giving it back\n");
    for (size_t which = 0; which < sizeof kinds / sizeof *kinds; which++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            measure(&segment, which, sizes[i]);
    segment_fini(&segment);
    return 0;
}

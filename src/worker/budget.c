/* SPDX-License-Identifier: MIT */
/* What a worker's descriptors are for. */
#include "worker/budget.h"

#include <sys/resource.h>

#include "base/log.h"
#include "relay/parked.h"
#include "relay/warm.h"

enum {
    RESERVED_FDS = 28, /* what a worker holds besides connections, pipes and parked sockets */
    SETS_HELD =
        8, /* of listening sockets: own and adopted ones, now and during a reload; as there */
    SPARE_PART = 8 /* of all descriptors: for pipes and parked sockets; as in privileges.c */
};

/* 0 when it is not known. */
static uint64_t descriptor_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

uint64_t budget_connections(uint32_t n_bells, uint64_t wanted)
{
    uint64_t limit = descriptor_limit(), reserved = RESERVED_FDS + (uint64_t)n_bells;

    if (limit == 0 || limit >= 2 * wanted + reserved)
        return wanted;
    uint64_t fits = limit > reserved + 2 ? (limit - reserved) / 2 : 1;
    log_warning("max_connections stays %llu: more needs a higher descriptor limit, which takes "
                "a restart",
                (unsigned long long)fits);
    return fits;
}

/* Not more than master has counted in; what is then left is for listening sockets, adopted ones too. */
static int64_t spare(uint32_t n_bells, uint64_t connections)
{
    uint64_t limit = descriptor_limit(), kept = 2 * connections + RESERVED_FDS + n_bells;
    uint64_t left = limit > kept ? limit - kept : 0;

    return (int64_t)(left < limit / SPARE_PART ? left : limit / SPARE_PART);
}

void budget_share(struct relay *relay, uint32_t n_bells, uint64_t connections)
{
    int64_t left = spare(n_bells, connections), third = left / 3;

    splice_init(&relay->pipes, (int)(third < SPLICE_PIPES_MOST ? third : SPLICE_PIPES_MOST));
    relay->most_parked = third < PARKED_MOST ? third : PARKED_MOST;
    warm_init(relay, left - relay->most_parked - 2 * (int64_t)relay->pipes.most);
}

void budget_pools(struct relay *relay, uint32_t n_bells, uint64_t connections,
                  size_t n_listeners)
{
    uint64_t limit = descriptor_limit();
    uint64_t kept = 2 * connections + RESERVED_FDS + n_bells +
                    SETS_HELD * (uint64_t)n_listeners + (uint64_t)relay->most_parked +
                    2 * (uint64_t)relay->pipes.most;

    relay->most_warm = limit > kept ? (int64_t)(limit - kept) : 0;
}

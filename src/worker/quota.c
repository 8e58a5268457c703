/* SPDX-License-Identifier: MIT */
/* How a worker shares out the descriptors that it may have. */
#include "worker/quota.h"

#include <sys/resource.h>

#include "base/log.h"
#include "relay/parked.h"

enum {
    RESERVED_FDS = 28
}; /* what a worker holds besides connections, pipes and parked sockets */

uint64_t quota_fit(uint64_t most_open)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 2 * most_open + RESERVED_FDS)
        return most_open;
    uint64_t fits = limit.rlim_cur > RESERVED_FDS + 2 ? (limit.rlim_cur - RESERVED_FDS) / 2 : 1;
    log_warning("max_connections stays %llu: more needs a higher descriptor limit, which takes "
                "a restart",
                (unsigned long long)fits);
    return fits;
}

void quota_share(struct relay *relay, uint64_t most_open)
{
    struct rlimit limit;
    int64_t spare = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * most_open + RESERVED_FDS)
        spare = (int64_t)(limit.rlim_cur - 2 * most_open - RESERVED_FDS);
    splice_init(&relay->pipes,
                (int)(spare / 3 < SPLICE_PIPES_MOST ? spare / 3 : SPLICE_PIPES_MOST));
    relay->most_parked = spare / 3 < PARKED_MOST ? spare / 3 : PARKED_MOST;
}

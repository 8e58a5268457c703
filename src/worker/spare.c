/* SPDX-License-Identifier: MIT */
/* How a worker shares out the descriptors it may have. */
#include "worker/spare.h"

#include <sys/resource.h>

#include "base/log.h"
#include "relay/conn.h"
#include "relay/parked.h"
#include "relay/warm.h"

enum { RESERVED_FDS = 28 /* without bells */ };

uint64_t spare_reserved(uint32_t n_bells)
{
    return RESERVED_FDS + (uint64_t)n_bells;
}

uint64_t spare_fit(uint64_t reserved, uint64_t most_open)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 2 * most_open + reserved)
        return most_open;
    uint64_t fits = limit.rlim_cur > reserved + 2 ? (limit.rlim_cur - reserved) / 2 : 1;
    log_warning("max_connections stays %llu: more needs a higher descriptor limit, which takes "
                "a restart",
                (unsigned long long)fits);
    return fits;
}

void spare_share(struct relay *relay, uint64_t reserved, uint64_t most_open)
{
    struct rlimit limit;
    int64_t spare = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * most_open + reserved)
        spare = (int64_t)(limit.rlim_cur - 2 * most_open - reserved);
    splice_init(&relay->pipes,
                (int)(spare / 3 < SPLICE_PIPES_MOST ? spare / 3 : SPLICE_PIPES_MOST));
    relay->most_parked = spare / 3 < PARKED_MOST ? spare / 3 : PARKED_MOST;
    spare -= relay->most_parked + 2 * (int64_t)relay->pipes.most;
    warm_init(relay, spare > 0 ? spare : 0);
}

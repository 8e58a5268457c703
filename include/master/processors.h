/* SPDX-License-Identifier: MIT */
/* How many processors this process may use. */
#ifndef MASTER_PROCESSORS_H
#define MASTER_PROCESSORS_H

#include <stddef.h>
#include <stdint.h>

/* Cores of the affinity mask, lowered to the quota of the control groups (version 2 and 1); 1 to 256. */
size_t processors_usable(void);

/* How many workers there are to be when so many are asked for; 0 = as many as processors. */
size_t processors_for(int64_t asked);

/*
 * Reads cpu.max of cgroup v2: "QUOTA PERIOD" or "max PERIOD".
 * Returns processors, rounded up, or 0 for no limit or anything else.
 */
size_t processors_parse_quota(const char *text);

#endif

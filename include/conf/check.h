/* SPDX-License-Identifier: MIT */
/* What no single key can know: references, duplicates, sums, contradictions. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include <stdbool.h>

#include "conf/model.h"
#include "conf/problems.h"

#define CHECK_MOST_HOSTS 65536 /* rows of the segment */
#define CHECK_MOST_GROUPS 4096
#define CHECK_MOST_SERVICES 1024
#define CHECK_MOST_DOORS 32 /* addresses of [admin]: they fit in one message to the director */
#define CHECK_MOST_USERS 1000

/* Adds what is wrong with the model in itself; looks at nothing outside it. */
void model_check(const struct model *model, struct problems *problems);

/* True when some group connects from its clients' addresses (`bind = client'): workers need CAP_NET_RAW then. */
bool model_is_transparent(const struct model *model);

#endif

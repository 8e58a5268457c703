/* SPDX-License-Identifier: MIT */
/* The values that send some connections to another group. */
#ifndef CONF_WAYS_H
#define CONF_WAYS_H

#include "conf/values.h"

/* A struct model_route. */
extern const struct value_kind value_route;

#endif

/* SPDX-License-Identifier: MIT */
/* The values that are a word with something behind it, and lists of groups. */
#ifndef CONF_CLAUSES_H
#define CONF_CLAUSES_H

#include "conf/values.h"

/* A struct model_no_host; sticky_ms of a group; lifetime_ms with lifetime_spread, standby with n_standby of a service. */
extern const struct value_kind value_no_host, value_sticky, value_lifetime, value_groups;

#endif

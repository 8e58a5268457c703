/* SPDX-License-Identifier: MIT */
/* The values that are a word with something behind it, and lists of groups. */
#ifndef CONF_CLAUSES_H
#define CONF_CLAUSES_H

#include "conf/values.h"

/* A struct model_no_host; sticky_ms of a group; standby with n_standby of a service. */
extern const struct value_kind value_rate; /* with the number of events that may come at once */
extern const struct value_kind value_no_host, value_sticky, value_groups;

#endif

/* SPDX-License-Identifier: MIT */
/* The values that are bare IP addresses, networks, lengths of prefixes. */
#ifndef CONF_NETWORKS_H
#define CONF_NETWORKS_H

#include "conf/values.h"

/* A struct addr_network of allow and deny, several a line; a struct addr; a struct model_bind; a struct model_prefixes. */
extern const struct value_kind value_network, value_resolver, value_bind, value_prefixes;

#endif

/* SPDX-License-Identifier: MIT */
/* The values that are bare IP addresses, networks, lengths of prefixes. */
#ifndef CONF_NETWORKS_H
#define CONF_NETWORKS_H

#include "conf/values.h"

/* A struct addr_network of allow and deny, several a line; a struct addr; a struct model_bind; a struct model_prefixes. */
extern const struct value_kind value_network, value_resolver, value_bind, value_prefixes;

/*
 * An IP address that can be asked, with a port behind it or not; IPv6 with a port needs brackets.
 * port  where there is none
 * False with a sentence in the context's why.
 */
bool value_take_socket(struct value_context *context, const char *word, uint16_t port,
                       struct addr *out);

#endif

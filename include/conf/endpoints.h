/* SPDX-License-Identifier: MIT */
/* The values that name an address: listen lines with their options, host lines with theirs. */
#ifndef CONF_ENDPOINTS_H
#define CONF_ENDPOINTS_H

#include "conf/values.h"

/* A struct model_listen of a service, one of [admin], a struct model_host. */
extern const struct value_kind value_listen, value_admin_listen, value_host;

#endif

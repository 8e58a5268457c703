/* SPDX-License-Identifier: MIT */
/* The value that lists application protocols. */
#ifndef CONF_PROTOCOLS_H
#define CONF_PROTOCOLS_H

#include "conf/values.h"

/* A struct model_protocols; "" is none. */
extern const struct value_kind value_protocols;

#endif

/* SPDX-License-Identifier: MIT */
/* The values that name where log lines go. */
#ifndef CONF_LOGTARGETS_H
#define CONF_LOGTARGETS_H

#include "conf/values.h"

/* A struct log_target: of the log, of the access log. */
extern const struct value_kind value_log, value_access_log;

#endif

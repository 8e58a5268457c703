/* SPDX-License-Identifier: MIT */
/* gaidaros -s ORDER: tells the running daemon what to do, and whether it did. */
#ifndef MASTER_REMOTE_H
#define MASTER_REMOTE_H

#include "conf/build.h"
#include "master/options.h"

/* Returns the exit status. */
int remote_order(const struct options *options, const struct conf_request *request);

#endif

/* SPDX-License-Identifier: MIT */
/* gaidaros -t and -D: a configuration is read and judged, nothing is started. */
#ifndef MASTER_TRIAL_H
#define MASTER_TRIAL_H

#include "conf/build.h"
#include "master/master.h"

/*
 * Checks all that a start would need short of binding and writing.
 * name     what the file is called in "NAME: ok"
 * Returns the exit status.
 */
int trial_test(const struct conf_request *request, const char *name, master_prepare *prepare);

/* Prints the effective configuration. Returns the exit status. */
int trial_dump(const struct conf_request *request);

#endif

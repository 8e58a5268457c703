/* SPDX-License-Identifier: MIT */
/* gaidarosctl profile: where each worker's time goes. */
#ifndef CTL_LOADS_H
#define CTL_LOADS_H

#include <stdbool.h>

/*
 * seconds  how long to look, a whole number from 1 to 60, as it was typed
 * Prints a line for each worker: waiting, each phase, and their sum, in percent.
 * Returns an exit status of gaidarosctl.
 */
int loads_run(const char *socket, const char *seconds, bool is_json);

#endif

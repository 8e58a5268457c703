/* SPDX-License-Identifier: MIT */
/* Writes the running configuration back to its files. */
#ifndef MASTER_SAVING_H
#define MASTER_SAVING_H

#include "base/text.h"

struct master;

/*
 * Writes the current configuration, with what was set on its rows laid over it, into the files it was read from; a
 * copy of each that changes stays beside it as FILE.old. Each is replaced at once, by rename, and keeps mode and owner;
 * a link stays, the file it leads to is replaced. When anything fails the files are as they were.
 * said  gets what was done, or why not
 * Returns 0, or the status of HTTP to refuse it with.
 */
unsigned int save_configuration(struct master *master, struct text *said);

#endif

/* SPDX-License-Identifier: MIT */
/* Who waits for a rollout, and whose turn is next. */
#ifndef MASTER_TURNS_H
#define MASTER_TURNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/requests.h"

struct master;
struct rollout;

/* Asks for a configuration to be read and brought to all. */
void turns_request(struct master *master, enum asker asker, uint64_t number, pid_t pid);

/*
 * Asks for a change to the current configuration, in the order of arrival among edits and reloads.
 * edit  as edit_decode reads it; copied
 */
void turns_request_edit(struct master *master, uint64_t number, pid_t pid, const void *edit,
                        size_t length);

/* Whose turn it is to save is served, and then waits for what was written to be read. */
void turns_save(struct master *master);

/*
 * Who is answered by the next rollout: of those that wait the first with all behind it that want the same. So edits
 * and reloads keep their order, and each of them is answered by what it asked for. Sets rollout->kind.
 */
void turns_take(struct rollout *rollout);

#endif

/* SPDX-License-Identifier: MIT */
/* Builds a generation on a task thread, so that the loop goes on. */
#ifndef WORKER_PREPARING_H
#define WORKER_PREPARING_H

#include <stdint.h>

#include "base/task.h"
#include "relay/generation.h"

/*
 * On the loop's thread, when it is built or refused.
 * generation  the receiver's; NULL: refused
 * why         the problems, when refused
 */
typedef void preparing_done(void *context, uint64_t id, struct generation *generation,
                            const char *why);

/*
 * Begins to build what a bundle says.
 * bundle_fd, keys_fd  taken over, also when this fails; keys_fd -1: there are none
 * Returns 0, or -1 with errno ENOMEM (done is then not called).
 */
int preparing_begin(struct task_threads *tasks, const struct generation_place *place,
                    int bundle_fd, int keys_fd, uint64_t id, preparing_done *done,
                    void *context);

#endif

/* SPDX-License-Identifier: MIT */
/* How many local ports are left for connections to each host. */
#ifndef DIRECTOR_PORTS_H
#define DIRECTOR_PORTS_H

#include "base/task.h"
#include "conf/bundle.h"
#include "share/segment.h"

/*
 * A connection to a host takes one local port for its source address, until some time after its end
 * (TIME_WAIT). The kernel counts them best, so it is asked, on a task thread, every few seconds. What is
 * left is written to host_row.ports_left, for the source address that has the fewest.
 */
struct ports; /* opaque; owner: the director */

/* segment and tasks outlive it. NULL with errno ENOMEM. */
struct ports *ports_new(const struct segment *segment, struct task_threads *tasks);

/* Not before the count under way has ended: call it after task_threads_free. */
void ports_free(struct ports *ports);

/*
 * Begins a count of the ports towards the hosts of a model, unless one is under way. Logs a warning
 * when a host has few ports left, and again only after it had more.
 */
void ports_look(struct ports *ports, const struct model *model, const struct bundle_rows *rows);

#endif

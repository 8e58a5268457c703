/* SPDX-License-Identifier: MIT */
/* The worker process: loop, heartbeat, generations, draining. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

/* Runs a worker on the channel until it is told to end or master is gone. Returns the exit status. */
int worker_main(int channel_fd);

#endif

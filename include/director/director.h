/* SPDX-License-Identifier: MIT */
/* The director process: admin doors, log writer, auditing; no client traffic. */
#ifndef DIRECTOR_DIRECTOR_H
#define DIRECTOR_DIRECTOR_H

/* Runs the director on the channel until it is told to end or master is gone. Returns the exit status. */
int director_main(int channel_fd);

#endif

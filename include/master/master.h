/* SPDX-License-Identifier: MIT */
/* The master process: signals, start, reload, stop. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>

/*
 * Runs the command line.
 * prepare  what a worker does with a bundle before it agrees to it (its PREPARE without a worker), and what the director
 *          does, who gets the keys as well (-1: there are none), for -t:
 *          returns true, or false with the reasons in problems
 * Returns the exit status, as gaidaros(8) lists them.
 */
struct problems;
typedef bool master_prepare(int bundle_fd, int keys_fd, struct problems *problems);
int master_main(int argc, char **argv, master_prepare *prepare);

#endif

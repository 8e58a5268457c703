/* SPDX-License-Identifier: MIT */
/* The master process: signals, start, reload, stop. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>

/*
 * Runs the command line.
 * prepare  what a worker does with a bundle before it agrees to it (its PREPARE without a worker), and what the director
 *          does, each with its keys, for -t:
 *          returns true, or false with the reasons in problems
 * Returns the exit status, as gaidaros(8) lists them.
 */
struct bundle_keys;
struct problems;
typedef bool master_prepare(int bundle_fd, const struct bundle_keys *keys,
                            struct problems *problems);
int master_main(int argc, char **argv, master_prepare *prepare);

#endif

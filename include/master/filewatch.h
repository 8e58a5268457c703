/* SPDX-License-Identifier: MIT */
/* Takes certificates, keys and lists over when their files have changed on disk. */
#ifndef MASTER_FILEWATCH_H
#define MASTER_FILEWATCH_H

#include <stdbool.h>
#include <stdint.h>

struct master;

/*
 * Called some times a second, looks every two: once a file is another one than was read, and stays as it is, the current
 * configuration is built again with it. What cannot be used is tried once, and what was read serves on.
 */
void filewatch_look(struct master *master, uint64_t now_ns);

/* A reload has failed, perhaps by what the files are now, and has said so: they are not tried again as they are. */
void filewatch_note_tried(struct master *master);

/* A rollout has read what had changed. Returns whether there was anything. */
bool filewatch_forget(struct master *master);

#endif

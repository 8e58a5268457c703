/* SPDX-License-Identifier: MIT */
/* Which row of the segment belongs to which service, group, host of the configurations in use. */
#ifndef MASTER_ROWS_H
#define MASTER_ROWS_H

#include <stdbool.h>

#include "conf/bundle.h"
#include "share/segment.h"

/*
 * A row is found by name: services and groups by theirs, hosts by (group, name, address). It keeps
 * its number, and so its state and its figures, while any generation names it. A host whose name has
 * no known address has a row under what is looked up, which is HEALTH_UNRESOLVED; no other is.
 */
struct rows;

/* segment outlives the result. NULL with errno ENOMEM. */
struct rows *rows_new(const struct segment *segment);
void rows_free(struct rows *rows);

/*
 * Finds or allots the rows a generation names; new ones are made as new, with the state and the
 * weight of the file.
 * out  gets arrays in the order of the model, each ended by rows_give; listeners are all 0
 * Returns 0, or -1 with a sentence for the user in *why (nothing is then taken).
 */
int rows_take(struct rows *rows, const struct model *model, struct bundle_rows *out,
              const char **why);

/*
 * The generation is the current one from now on: hosts that the one before did not name or whose
 * line in the file has changed get the state and the weight of the file; what an admin set on the others stays.
 * What was set on all hosts of a name's line holds for addresses that the name comes to have later.
 */
void rows_commit(struct rows *rows, const struct model *model, const struct bundle_rows *taken);

/*
 * Called at the same moment: a service whose groups in the file are others than before, or in another order,
 * gets the file's group; for the others the one that an admin has put in force stays.
 * before   the current generation until now; NULL at the start
 * by_name  it is an admin's change of the one before: the group in force stays as long as the service has it
 */
void rows_keep_enabled(struct rows *rows, const struct model *before, const struct model *model,
                       const struct bundle_rows *taken, bool by_name);

/* The generation is gone: rows that no other names are free; the arrays are freed. */
void rows_give(struct rows *rows, struct bundle_rows *taken);

#endif

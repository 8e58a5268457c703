/* SPDX-License-Identifier: MIT */
/* Fixed-width columns out of tab-separated lines. */
#ifndef ADMIN_COLUMNS_H
#define ADMIN_COLUMNS_H

#include "base/text.h"

/* Adds a word as one cell: control bytes, quotes and blanks as \xHH, "-" for an empty one. */
void columns_add_word(struct text *table, const char *word);

/*
 * Adds the table to out with every column as wide as its widest cell, two blanks between
 * columns, none at the end of a line.
 * table  lines of cells with a tab between them, each ended by a newline; the first line is the
 *        heading: a '>' before its word puts the column's cells to the right
 */
void columns_align(struct text *out, const struct text *table);

#endif

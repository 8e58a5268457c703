/* SPDX-License-Identifier: MIT */
/* What is happening, in columns: running.txt. */
#ifndef ADMIN_LISTING_H
#define ADMIN_LISTING_H

#include "admin/status.h"
#include "base/text.h"

/*
 * Adds /running.txt: a line for each thing, its kind in the first word, columns aligned, no
 * blank inside a column but in the last, "-" for what is empty; so grep and awk work on it.
 */
void listing_text(struct text *out, const struct status *status);

#endif

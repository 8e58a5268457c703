/* SPDX-License-Identifier: MIT */
/* What is happening, for programs: running.json and running.txt. */
#ifndef ADMIN_VIEWS_H
#define ADMIN_VIEWS_H

#include "admin/status.h"
#include "base/text.h"

/* Adds /running.json: the keys of the manual (gaidaros.8), with more in them as time goes on. */
void view_json(struct text *out, const struct status *status);

/*
 * Adds /running.txt: a line for each thing, its kind in the first word, columns aligned, no
 * blank inside a column but in the last, "-" for what is empty; so grep and awk work on it.
 */
void view_text(struct text *out, const struct status *status);

#endif

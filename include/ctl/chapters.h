/* SPDX-License-Identifier: MIT */
/* The tables of commands and calls as help and as the manual's chapters. */
#ifndef CTL_CHAPTERS_H
#define CTL_CHAPTERS_H

#include "base/text.h"

/* A line or two for each command and call. */
void chapters_add_help(struct text *out);

/*
 * An entry of gaidarosctl(1) for each, in roff, under a comment that names it: .\" COMMAND status, .\" CALL reload.
 * The page's template has the same comments where the entries belong.
 */
void chapters_add_manual(struct text *out);

#endif

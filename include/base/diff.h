/* SPDX-License-Identifier: MIT */
/* What differs between two texts, line by line. */
#ifndef BASE_DIFF_H
#define BASE_DIFF_H

#include "base/text.h"

/*
 * Adds a unified diff with three lines of context, as patch(1) takes it; nothing when the texts are equal. The
 * shortest list of changed lines: E. W. Myers, An O(ND) Difference Algorithm and Its Variations, Algorithmica 1
 * (1986). Texts that have more than DIFF_MOST lines not in common are shown as wholly different.
 * from_name, to_name  for the two heading lines
 */
#define DIFF_MOST 1500
void diff_unified(struct text *out, const char *from_name, const char *from,
                  const char *to_name, const char *to);

#endif

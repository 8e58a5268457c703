/* SPDX-License-Identifier: MIT */
/* gaidarosctl top: what happens now, on a terminal or line by line. */
#ifndef CTL_TOP_H
#define CTL_TOP_H

/*
 * words  [-d SECONDS] [-n COUNT]: how long between two looks (2), how many (for ever)
 * A terminal gets a full-screen view with keys; anything else gets plain blocks of lines.
 * Returns an exit status of gaidarosctl.
 */
int top_run(const char *socket, char *const *words, int n_words);

#endif

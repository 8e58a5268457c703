/* SPDX-License-Identifier: MIT */
/* gaidarosctl connections, why: what is open, and all about one. */
#ifndef CTL_INSPECT_H
#define CTL_INSPECT_H

#include <stdbool.h>

/*
 * words  FILTER=VALUE each
 * Returns an exit status of gaidarosctl.
 */
int inspect_list(const char *socket, char **words, int n_words, bool is_json);

int inspect_one(const char *socket, const char *id, bool is_json);

#endif

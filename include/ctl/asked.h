/* SPDX-License-Identifier: MIT */
/* What the daemon is asked with GET, and what is said when it does not answer well. */
#ifndef CTL_ASKED_H
#define CTL_ASKED_H

#include <jansson.h>

#include "net/ask.h"

/*
 * Asks for a path. What goes wrong is told on standard error: no daemon, an error that it names, a path that it does not
 * know since it is of another version.
 * answer  set when DONE is returned; its body is the caller's
 * Returns DONE, REFUSED or NO_DAEMON.
 */
int asked_get(const char *socket, const char *path, struct ask_answer *answer);

/* The same; prints the body when it came, as safe_write does. */
int asked_show(const char *socket, const char *path);

/*
 * The same for an object of JSON.
 * json  set when DONE is returned; the caller's
 */
int asked_json(const char *socket, const char *path, json_t **json);

/* Tells that no daemon answers and frees why. Returns NO_DAEMON. */
int asked_nobody(struct text *why);

#endif

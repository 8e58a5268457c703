/* SPDX-License-Identifier: MIT */
/* An edit as words for people, and as bytes for a message. */
#ifndef CONF_EDITCODE_H
#define CONF_EDITCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "conf/edit.h"

/* Adds what it is about: "web/main/app3". */
void edit_print_path(struct text *out, const struct edit *edit);

/* Adds the edit's name as calls have it, and what it is about: "addHost web/main/app3 10.0.0.3:80". */
void edit_print(struct text *out, const struct edit *edit);

/* Adds the edit as bytes for a message; a string is cut nowhere. */
void edit_encode(struct text *out, const struct edit *edit);

/*
 * Reads an edit out of such bytes.
 * bytes  outlive the edit, whose strings lie in them
 * Returns false when they are none.
 */
bool edit_decode(struct edit *edit, const char *bytes, size_t length);

#endif
